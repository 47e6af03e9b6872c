/** Verifies opaque tokens that the application issues itself, by a lookup in its own store. */

import { assertFunction, readOptions } from '../../lib/assert.ts'
import { now as systemNow } from '../../lib/clock.ts'
import { frozen } from '../../lib/freeze.ts'
import { getOwn, isObject } from '../../lib/json.ts'
import { mapMaybe } from '../../lib/promise.ts'
import {
  createIdentity,
  IDENTITY_MEMBERS,
  type Identity,
  type IdentityMembers,
  wrongMember,
} from '../../model/identity.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { Cache, type CacheOptions, givenLimits } from '../cached.ts'
import { markBuiltIn } from '../checked.ts'
import { PresentedToken } from '../presented.ts'
import { activeUntil, inactive, type Verification } from '../verification.ts'
import type { TokenVerifier } from '../verifier.ts'
import { WrappingVerifier } from '../wrapping.ts'
import { hasPrefix, tokenPrefix } from './token.ts'

/** The result of a lookup for a valid token: the members of its identity, all of them optional. */
export interface OpaqueToken<Claims = Readonly<Record<string, unknown>>> extends IdentityMembers<Claims> {
  /** When the token expires. In seconds since the epoch. Default: the token is valid until the lookup returns `null`. */
  readonly expiresAt?: Seconds | undefined
}

/** The options of `opaque`. */
export interface OpaqueOptions<Claims = Readonly<Record<string, unknown>>> {
  /**
   * Finds a token in your store. Return `null` if it is unknown or revoked: the answer is 401. If it throws, or returns
   * anything else, such as `undefined`, the answer is 503.
   * @param token a string of the syntax `b64token`, at most 8,192 characters
   * @param hash the SHA-256 of the token as base64url, as `hashToken` returns it. Store the hash instead of the token, so that a
   *   leaked store contains no token to use
   */
  lookup: (token: string, hash: string) => OpaqueToken<Claims> | null | Promise<OpaqueToken<Claims> | null>
  /** Accepts only tokens of `generateToken(prefix)`, and rejects others without a lookup. Default: every token is looked up. */
  prefix?: string | undefined
  /**
   * Caches results for `ttl` seconds. A token that is revoked in your store is accepted until its entry expires. Default:
   * every request is looked up.
   */
  cache?: Omit<CacheOptions, 'now'> | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/**
 * Creates a verifier that looks tokens up in your store.
 *
 * @example
 * const verifier = opaque({ prefix: 'acme', lookup: (_token, hash) => sessions.get(hash) ?? null })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function opaque<Claims = Readonly<Record<string, unknown>>>(
  options: OpaqueOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('opaque', options, ['lookup', 'prefix', 'cache', 'now'])
  if (typeof read.lookup !== 'function') throw new TypeError('"lookup" must be a function')
  const prefix = read.prefix === undefined ? undefined : tokenPrefix(read.prefix)
  const now = assertFunction('now', read.now, systemNow)
  const bare = new LookupVerifier(read.lookup, prefix, now)
  const verifier = read.cache === undefined ? bare : new Cache(bare, givenLimits(read.cache), now)
  return markBuiltIn(prefix === undefined ? verifier : new PrefixVerifier(verifier, prefix))
}

/** Verifies tokens by the function `lookup`. */
class LookupVerifier<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #lookup: OpaqueOptions<Claims>['lookup']
  readonly #prefix: string | undefined
  readonly #now: () => number

  constructor(lookup: OpaqueOptions<Claims>['lookup'], prefix: string | undefined, now: () => number) {
    this.#lookup = lookup
    this.#prefix = prefix
    this.#now = now
  }

  verify(token: string, presented = new PresentedToken(token)): Verified<Claims> {
    return mapMaybe<string, Verification<Identity<Claims>>>(presented.hash, (hash) =>
      mapMaybe<OpaqueToken<Claims> | null, Verification<Identity<Claims>>>(
        this.#lookup(token, hash),
        (found) => (found === null ? inactive('unknown_token') : verificationOf(found, this.#now)),
      ),
    )
  }

  describe(): object {
    return { kind: 'opaque', prefix: this.#prefix }
  }
}

/** Rejects tokens of another form before they reach the cache or the lookup. */
class PrefixVerifier<Claims> extends WrappingVerifier<Identity<Claims>> {
  readonly #prefix: string

  constructor(inner: TokenVerifier<Identity<Claims>>, prefix: string) {
    super(inner)
    this.#prefix = prefix
  }

  override canVerify(token: string): boolean {
    return hasPrefix(token, this.#prefix)
  }

  verify(token: string, presented?: PresentedToken): Verified<Claims> {
    return this.canVerify(token) ? this.inner.verify(token, presented) : inactive('unknown_token')
  }
}

type Verified<Claims> = Verification<Identity<Claims>> | Promise<Verification<Identity<Claims>>>

/**
 * Turns the result of a lookup into a verification. Everything that is not clearly a record is an error: `undefined` may be a
 * forgotten `return`, and an empty record the result of a failed query. Rejects unknown members, because a misspelt
 * `expiresAt` would make a token that never expires.
 * @throws UnavailableError if the result is not a record of members of an identity
 */
function verificationOf<Claims>(
  found: OpaqueToken<Claims>,
  now: () => number,
): Verification<Identity<Claims>> {
  if (!isObject(found as unknown) || !hasMembers(found))
    throw new UnavailableError('"lookup" must return a token record or null')
  if (Object.values(found).every((value) => value === undefined))
    throw new UnavailableError(
      '"lookup" must return a token record or null, but returned a record without any member',
    )
  const unknown = Object.keys(found).find((name) => !IDENTITY_MEMBERS.includes(name))
  if (unknown !== undefined) throw new UnavailableError(`"lookup" returned an unknown member "${unknown}"`)
  const members = frozen({ ...found })
  const claims = (getOwn(members, 'claims') ?? Object.freeze({})) as Claims
  const identity = createIdentity('opaque', { ...members, claims })
  const wrong = wrongMember(identity)
  if (wrong !== undefined) throw new UnavailableError(`"lookup" returned a "${wrong}" of the wrong type`)
  return activeUntil({ active: true, identity, expiresAt: identity.expiresAt }, now)
}

/**
 * Whether an object can be a record. A `Map`, a `Date` or an `Error` has no members, so it would become a token without
 * rights.
 */
function hasMembers(found: object): boolean {
  const prototype = Object.getPrototypeOf(found)
  return prototype === null || prototype === Object.prototype || Object.keys(found).length > 0
}
