/** What the application gets to know about the sender of a request. */

import type { Seconds } from '../lib/assert.ts'

/**
 * The identity behind a token: deeply frozen, shared between requests, and safe to log, for it does not carry the token.
 * Members that the source of the identity does not know are `undefined`; lists are empty then.
 */
export interface Identity<Claims = Readonly<Record<string, unknown>>> {
  /** How the token was verified. */
  readonly kind: 'jwt' | 'introspection' | 'opaque' | 'static'
  /** `sub`: whom the token speaks for. */
  readonly subject?: string | undefined
  /** `iss`: who issued it. */
  readonly issuer?: string | undefined
  /** `client_id`, `azp`, `appid` or `cid`: the client to which it was issued. */
  readonly clientId?: string | undefined
  /** `aud`: for whom it was issued. */
  readonly audience: readonly string[]
  /** `scope`, `scp` or `permissions`: what it allows (RFC 6749 §3.3). */
  readonly scopes: readonly string[]
  /** `roles` (RFC 9068 §2.2.3.1), and what else issuers call so. */
  readonly roles: readonly string[]
  /** `exp`, in seconds since the epoch. */
  readonly expiresAt?: Seconds | undefined
  /** `iat`, in seconds since the epoch. */
  readonly issuedAt?: Seconds | undefined
  /** `jti`. */
  readonly tokenId?: string | undefined
  /** `acr`: how strongly the subject was authenticated (RFC 9470 §6). */
  readonly acr?: string | undefined
  /** `auth_time`: when the subject was authenticated, in seconds since the epoch (RFC 9470 §6). */
  readonly authenticatedAt?: Seconds | undefined
  /** The whole claims set, what the schema of `claims` made of it, or what the lookup of an opaque token gave as its `claims`. */
  readonly claims: Claims
  /** `act`: who acts for the subject (RFC 8693 §4.1). */
  readonly actor?: Readonly<Record<string, unknown>> | undefined
  /** `cnf`: the key to which the token is bound (RFC 7800). */
  readonly confirmation?: Readonly<Record<string, unknown>> | undefined
  /**
   * Who vouched for the token, and where it was found. Every verifier of this package and every gate set it. It is
   * `undefined` only if a verifier of your own returns an instance of a class, which is not copied.
   */
  readonly source?: IdentitySource | undefined
}

/** Where an identity comes from. Revocation and cache headers use it. */
export interface IdentitySource {
  /** How the token was verified, like `kind`. */
  readonly verifier: Identity['kind']
  /**
   * The issuer that the verifier trusts for this token: the `iss` that it checked, or the issuer that it was configured
   * with if the authorization server's answer names none. `undefined` if neither is known.
   */
  readonly issuer: string | undefined
  /** Where the token was found. `header` for a verifier that is used without a gate. */
  readonly tokenFrom: TokenSource
}

/** The places where a token can be sent: a header field, a form, the query or a cookie (RFC 6750 §2). */
export type TokenSource = 'header' | 'form' | 'query' | 'cookie'

const KINDS: readonly unknown[] = ['jwt', 'introspection', 'opaque', 'static'] satisfies Identity['kind'][]
const STRINGS = ['subject', 'issuer', 'clientId', 'tokenId', 'acr'] as const
const LISTS = ['audience', 'scopes', 'roles'] as const
const DATES = ['expiresAt', 'issuedAt', 'authenticatedAt'] as const
const OBJECTS = ['actor', 'confirmation'] as const
const OPTIONAL = [...STRINGS, ...DATES, ...OBJECTS] as const
/** The members that are not the verifier's own to say. */
export const MEMBERS: readonly string[] = [...LISTS, ...OPTIONAL, 'claims']

/** The first member that is not what it must be: `scopes` that are a string would match by their parts. */
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

/** 9999-12-31T23:59:59Z: no date in a token is later. */
const LAST_DATE: Seconds = 253_402_300_799

/** Whether a value is a NumericDate (RFC 7519 §2): `1e999` and dates in milliseconds are not. */
export function isNumericDate(value: unknown): value is Seconds {
  return typeof value === 'number' && value >= 0 && value <= LAST_DATE
}

/** How deep plain data may be nested. */
const MAX_DEPTH = 32

/** What `frozen` made: it need not be copied again. */
const made = new WeakSet<object>()

/**
 * A deeply frozen copy of plain data. Instances of classes are kept as they are.
 * @throws RangeError where objects and arrays are nested deeper than 32 levels, or in a circle.
 */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const copy = frozenCopy(value, 0)
  made.add(copy)
  return copy
}

/** Deeply frozen in place: what was parsed just now, and checked not to be nested too deeply, is nobody else's. */
export function frozenJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) frozenJson(member)
  return Object.freeze(value)
}

/** Freezes an identity whose members are frozen, or belong to nobody else. */
export function frozenIdentity<Claims>(identity: Identity<Claims>): Identity<Claims> {
  for (const name of LISTS) Object.freeze(identity[name])
  Object.freeze(identity.source)
  made.add(Object.freeze(identity))
  return identity
}

/** Returns a frozen copy of an identity that says where it comes from. Instances of classes stay as they are. */
export function withSource<I extends Identity<unknown>>(identity: I, given?: IdentitySource): I {
  const copy = frozen(identity)
  if (Object.getPrototypeOf(copy) !== Object.prototype) return copy
  if (given === undefined && isObject(copy.source)) return copy
  const source = given ?? { verifier: copy.kind, issuer: copy.issuer, tokenFrom: 'header' as const }
  return frozenIdentity({ ...copy, source } as Identity<unknown>) as I
}

/** An identity at each place other than a header, made once, so that requests keep sharing it. */
const located = new WeakMap<object, Map<TokenSource, Identity<unknown>>>()

/** Returns the identity of a token that was found at this place. */
export function foundIn<I extends Identity<unknown>>(identity: I, tokenFrom: TokenSource): I {
  if (tokenFrom === 'header' || identity.source === undefined) return identity
  const places = located.get(identity) ?? new Map<TokenSource, Identity<unknown>>()
  located.set(identity, places)
  const known = places.get(tokenFrom) ?? withSource(identity, { ...identity.source, tokenFrom })
  places.set(tokenFrom, known)
  return known as I
}

function frozenCopy<T>(value: T, depth: number): T {
  if (typeof value !== 'object' || value === null || made.has(value)) return value
  const isArray = Array.isArray(value)
  const prototype = Object.getPrototypeOf(value)
  if (!isArray && prototype !== Object.prototype && prototype !== null) return value
  if (depth === MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`)
  if (isArray) return Object.freeze(value.map((item) => frozenCopy(item, depth + 1))) as T
  const entries = Object.entries(value).map(
    ([name, member]) => [name, frozenCopy(member, depth + 1)] as const,
  )
  return Object.freeze(Object.fromEntries(entries)) as T
}

/** Whether objects and arrays of parsed JSON are nested deeper than 32 levels. */
export function isNestedTooDeeply(value: unknown, levels = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((member) => isNestedTooDeeply(member, levels - 1))
}

/** The own member of a JSON object: what stands on `Object.prototype` is never taken for a member. */
export function getOwn(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Readonly<Record<string, unknown>>)[name] : undefined
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
