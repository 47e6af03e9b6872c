/**
 * Defines the identity behind a token, as applications receive it (RFC 7519 §4, RFC 9068 §2.2).
 *
 * Each verifier creates its identities here, so that they have the same members for all kinds of tokens. Verifiers of the
 * application return objects of their own, whose members are checked before they are used.
 */

import { frozen } from '../lib/freeze.ts'
import { getOwn, isObject, isStrings } from '../lib/json.ts'
import type { TokenSource } from './credentials.ts'
import { isNumericDate, type Seconds } from './units.ts'

/**
 * The identity behind a token. Deeply frozen, shared between requests, and safe to log, because it does not contain the
 * token. A member that the verifier does not know is `undefined`, or an empty list.
 */
export interface Identity<Claims = Readonly<Record<string, unknown>>> {
  /** How the token was verified. */
  readonly kind: 'jwt' | 'introspection' | 'opaque' | 'static'
  /** `sub`: the user or service that the token stands for. */
  readonly subject?: string | undefined
  /** `iss`: the authorization server that issued the token. */
  readonly issuer?: string | undefined
  /** `client_id`, `azp`, `appid` or `cid`: the client that the token was issued to. */
  readonly clientId?: string | undefined
  /** `aud`: the APIs that the token is meant for. */
  readonly audience: readonly string[]
  /** `scope`, `scp` or `permissions`: what the token allows (RFC 6749 §3.3). */
  readonly scopes: readonly string[]
  /** `roles` (RFC 9068 §2.2.3.1), and other claims in which issuers name roles. */
  readonly roles: readonly string[]
  /** `exp`. In seconds since the epoch. */
  readonly expiresAt?: Seconds | undefined
  /** `iat`. In seconds since the epoch. `gate.revoke({ subject })` compares it with the time of the revocation. */
  readonly issuedAt?: Seconds | undefined
  /** `jti`: the id of the token, unique for its issuer. `gate.revoke({ tokenId })` revokes by it. */
  readonly tokenId?: string | undefined
  /**
   * `sid`: the session of the user at the issuer (OpenID Connect Back-Channel Logout §2.4). `gate.revoke({ sessionId })` revokes
   * all of its tokens.
   */
  readonly sessionId?: string | undefined
  /** `acr`: how strongly the subject was authenticated (RFC 9470 §6). */
  readonly acr?: string | undefined
  /** `auth_time`: when the subject was authenticated. In seconds since the epoch (RFC 9470 §6). */
  readonly authenticatedAt?: Seconds | undefined
  /** All claims, the output of the schema in `claims`, or the `claims` that the lookup of an opaque token returned. */
  readonly claims: Claims
  /** `act`: the party that acts for the subject (RFC 8693 §4.1). */
  readonly actor?: Readonly<Record<string, unknown>> | undefined
  /** `cnf`: the key that the token is bound to (RFC 7800). A gate rejects the token if this or `claims.cnf` is set. */
  readonly confirmation?: Readonly<Record<string, unknown>> | undefined
  /**
   * The verifier and issuer that vouch for the token, and where it was found. All verifiers of this package and all gates set
   * it. It is `undefined` only if your own verifier returns an instance of a class, which is not copied.
   */
  readonly source?: IdentitySource | undefined
}

/** The origin of an identity. Revocation and cache headers use it. */
export interface IdentitySource {
  /** How the token was verified, like `kind`. */
  readonly verifier: Identity['kind']
  /**
   * The issuer that the verifier trusts for this token: the `iss` that it checked, or the configured issuer if the
   * authorization server names none. `undefined` if neither is known.
   */
  readonly issuer: string | undefined
  /** The place of the token. `header` for a verifier that is used without a gate. */
  readonly tokenFrom: TokenSource
}

/** The members that a verifier finds out. `kind` and `source` follow from the verifier itself. */
export type IdentityMembers<Claims> = Partial<Omit<Identity<Claims>, 'kind' | 'source'>>

const KINDS: readonly unknown[] = ['jwt', 'introspection', 'opaque', 'static'] satisfies Identity['kind'][]
const STRINGS = ['subject', 'issuer', 'clientId', 'tokenId', 'sessionId', 'acr'] as const
const LISTS = ['audience', 'scopes', 'roles'] as const
const DATES = ['expiresAt', 'issuedAt', 'authenticatedAt'] as const
const OBJECTS = ['actor', 'confirmation'] as const
const OPTIONAL = [...STRINGS, ...DATES, ...OBJECTS] as const

/** The names of all `IdentityMembers`. */
export const IDENTITY_MEMBERS: readonly string[] = [...LISTS, ...OPTIONAL, 'claims']

/**
 * Creates a frozen identity. Its members must be deeply frozen already, or belong to nothing else. Only own members count,
 * so a polluted `Object.prototype` grants nothing.
 */
export function createIdentity<Claims>(
  kind: Identity['kind'],
  given: IdentityMembers<Claims> & { readonly claims: Claims },
): Identity<Claims> {
  return createWholeIdentity(kind, Object.assign(Object.create(null), given))
}

/**
 * Creates a frozen identity from an object that has every member as its own. It then needs no copy without a prototype,
 * which would take longer than the rest of this function.
 */
export function createWholeIdentity<Claims>(
  kind: Identity['kind'],
  members: Required<IdentityMembers<Claims>>,
): Identity<Claims> {
  return freezeIdentity<Claims>({
    kind,
    subject: members.subject,
    issuer: members.issuer,
    clientId: members.clientId,
    audience: members.audience ?? [],
    scopes: members.scopes ?? [],
    roles: members.roles ?? [],
    expiresAt: members.expiresAt,
    issuedAt: members.issuedAt,
    tokenId: members.tokenId,
    sessionId: members.sessionId,
    acr: members.acr,
    authenticatedAt: members.authenticatedAt,
    claims: members.claims,
    actor: members.actor,
    confirmation: members.confirmation,
    source: sourceOf(kind, members.issuer),
  })
}

const sources = new Map<Identity['kind'], IdentitySource>()

/** Most identities of a kind come from one issuer, and share their source. */
function sourceOf(verifier: Identity['kind'], issuer: string | undefined): IdentitySource {
  const last = sources.get(verifier)
  if (last !== undefined && last.issuer === issuer) return last
  const source = Object.freeze({ verifier, issuer, tokenFrom: 'header' as const })
  sources.set(verifier, source)
  return source
}

/**
 * Returns the name of the first member of the wrong type, or `undefined` if there is none. The types matter for security:
 * if `scopes` were a string, `scopes.includes('admin')` would be true for `superadmin`.
 */
export function wrongMember(identity: Partial<Identity<unknown>>): string | undefined {
  const member = (name: keyof Identity) => getOwn(identity, name)
  if (!KINDS.includes(member('kind'))) return 'kind'
  const wrong = LISTS.find((name) => !isStrings(member(name)))
  return wrong ?? OPTIONAL.find((name) => member(name) !== undefined && !isOf(name, member(name)))
}

function isOf(name: (typeof OPTIONAL)[number], value: unknown): boolean {
  if (STRINGS.includes(name as never)) return typeof value === 'string'
  return DATES.includes(name as never) ? isNumericDate(value) : isObject(value)
}

/**
 * Returns a frozen copy of an identity with its `source`. Returns instances of classes as they are: a copy would lose their
 * methods and private members.
 * @param given the source. Default: the one that the identity has, or one made of its `kind` and `issuer`
 */
export function withSource<I extends Identity<unknown>>(identity: I, given?: IdentitySource): I {
  const copy = frozen(identity)
  if (Object.getPrototypeOf(copy) !== Object.prototype) return copy
  if (given === undefined && isObject(copy.source)) return copy
  const source = given ?? sourceOf(copy.kind, copy.issuer)
  return freezeIdentity({ ...copy, source } as Identity<unknown>) as I
}

/** The claims that an identity leaves out because of their form: all names, and the values that can be revoked. */
interface IgnoredClaims {
  readonly names: readonly string[]
  readonly values: Readonly<Record<RevocableMember, unknown>>
}

/** Not a member of identities: only `onDecision` reports the names, and only revocations need the values. */
const ignoredClaims = new WeakMap<object, IgnoredClaims>()

/** Remembers the claims that an identity leaves out. A schema may also have left them out of its `claims`. */
export function setIgnoredClaims(
  identity: Identity<unknown>,
  names: readonly string[],
  claims: Readonly<Record<string, unknown>>,
): void {
  if (names.length === 0) return
  const [tokenId, subject, sessionId] = ['jti', 'sub', 'sid'].map((name) => getOwn(claims, name))
  ignoredClaims.set(identity, { names: Object.freeze(names), values: { tokenId, subject, sessionId } })
}

/** Returns the names of the claims that an identity leaves out because of their form, if there are any. */
export function ignoredClaimsOf(identity: Identity<unknown>): readonly string[] | undefined {
  return ignoredClaims.get(identity)?.names
}

/** Copies of identities by the place of their token, other than a header. Each is created once, so that requests share it. */
const located = new Map<TokenSource, WeakMap<object, Identity<unknown>>>()

/**
 * Returns the identity of a token that was found in this place. A result is cached without its place, because the same token
 * can arrive in a header and in a cookie.
 */
export function foundIn<I extends Identity<unknown>>(identity: I, tokenFrom: TokenSource): I {
  if (tokenFrom === 'header' || identity.source === undefined) return identity
  const identities = located.get(tokenFrom) ?? new WeakMap<object, Identity<unknown>>()
  located.set(tokenFrom, identities)
  const known = identities.get(identity) ?? withSource(identity, { ...identity.source, tokenFrom })
  identities.set(identity, known)
  const ignored = ignoredClaims.get(identity)
  if (ignored !== undefined) ignoredClaims.set(known, ignored)
  return known as I
}

function freezeIdentity<Claims>(identity: Identity<Claims>): Identity<Claims> {
  for (const name of LISTS) Object.freeze(identity[name])
  Object.freeze(identity.source)
  return Object.freeze(identity)
}

/** The members by which tokens are revoked, each with its claim. */
const CLAIM_OF = { tokenId: 'jti', subject: 'sub', sessionId: 'sid' } as const

type RevocableMember = keyof typeof CLAIM_OF

/**
 * Returns the name by which a token id, subject or session is revoked. A claim that is a number is left out of the identity, which
 * takes only strings (RFC 7519 §4.1.2), but a revocation must match it all the same. A number above 2^53 is returned as it
 * is, because `JSON.parse` has rounded it: its text is not the one in the token.
 */
export function revocableName(
  identity: Identity<unknown>,
  member: RevocableMember,
): string | number | undefined {
  const { [member]: name, claims } = identity
  if (name !== undefined) return name
  const own = isObject(claims) ? getOwn(claims, CLAIM_OF[member]) : undefined
  const claim = ignoredClaims.get(identity)?.values[member] ?? own
  if (typeof claim !== 'number') return undefined
  return isRounded(claim) ? claim : String(claim)
}

/** Whether a number can be the rounded value of another integer (RFC 8259 §6). */
export function isRounded(value: number): boolean {
  return Math.abs(value) > Number.MAX_SAFE_INTEGER
}
