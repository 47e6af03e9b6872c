/** Verifies opaque tokens that the application issues itself, by a lookup in its own store. */

import { readOptions } from '../../lib/assert.ts'
import { assertClock } from '../../lib/clock.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { frozen } from '../../lib/freeze.ts'
import { getOwn, isObject } from '../../lib/json.ts'
import { mapMaybe } from '../../lib/promise.ts'
import { received } from '../../lib/received.ts'
import { createIdentity, type Identity, type IdentityMembers, wrongMember } from '../../model/identity.ts'
import { MistakeError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import type { VerifierExplanation } from '../../observe/explain.ts'
import type { SharedAnswer } from '../../state/result-store.ts'
import { givenLimits, resultStoreOf, type SharedCacheOptions, UNCACHED } from '../cache-limits.ts'
import { Cache } from '../cached.ts'
import { markBuiltIn } from '../checked.ts'
import { PresentedToken } from '../presented.ts'
import { SharedAnswers } from '../shared-answers.ts'
import { activeUntil, inactive, type Verification } from '../verification.ts'
import type { Explainers, TokenVerifier } from '../verifier.ts'
import { WrappingVerifier } from '../wrapping.ts'
import { readRecord } from './record.ts'
import { shareableRecord, termsOfRecord } from './shareable.ts'
import { hasPrefix, tokenPrefix } from './token.ts'

/** The result of a lookup for a valid token: the members of its identity. */
export type OpaqueToken<Claims = Readonly<Record<string, unknown>>> = Nullable<
  Omit<IdentityMembers<Claims>, 'expiresAt' | 'issuedAt' | 'authenticatedAt'>
> & {
  /**
   * When the token expires: a `Date`, or seconds since the epoch. Default: the token is valid until the lookup returns `null`.
   * If it is a number in milliseconds, the answer to the request is 503.
   */
  readonly expiresAt?: Seconds | Date | null | undefined
  /** When the token was issued: a `Date`, or seconds since the epoch. */
  readonly issuedAt?: Seconds | Date | null | undefined
  /** When the subject was authenticated: a `Date`, or seconds since the epoch. */
  readonly authenticatedAt?: Seconds | Date | null | undefined
}

/** `null`, which databases return for an empty column, counts as absent. */
type Nullable<Members> = { readonly [Name in keyof Members]: Members[Name] | null }

/** The result of a lookup: the record of a token, or nothing. */
type Looked<Claims> = OpaqueToken<Claims> | null | undefined

/** The options of `opaque`. */
export interface OpaqueOptions<Claims = Readonly<Record<string, unknown>>> {
  /**
   * Finds a token in your store, and returns its record. Returns `null` or `undefined` for an unknown or revoked token: the
   * answer is 401. If it throws, or returns anything else, the answer is 503.
   *
   * A record may have only the members of `OpaqueToken`. Any other member is an error, because it may be a misspelt
   * `expiresAt`. There is one exception: in a record that has `claims`, unknown members are ignored. So you can return a row of
   * a database as `{ ...row, claims: row }`.
   * @param token at most 8,192 characters, with the syntax `b64token`
   * @param hash the SHA-256 of the token as base64url, as `hashToken` returns it. Store this instead of the token
   */
  lookup: (token: string, hash: string) => Looked<Claims> | Promise<Looked<Claims>>
  /** Accepts only tokens of `generateToken(prefix)`, and rejects others without a lookup. Default: each token is looked up. */
  prefix?: string | undefined
  /**
   * Caches results for `ttl` seconds. If a token is revoked in your store, the gate accepts it until its cached result expires.
   * Default: each request calls `lookup`.
   */
  cache?: SharedCacheOptions | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/**
 * Creates a verifier that looks tokens up in your store.
 *
 * @example
 * const verifier = opaque({ prefix: 'acme', lookup: (_token, hash) => sessions.get(hash) })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function opaque<Claims = Readonly<Record<string, unknown>>>(
  options: OpaqueOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('opaque', options, ['lookup', 'prefix', 'cache', 'now'])
  if (typeof read.lookup !== 'function')
    throw configurationError(
      'INVALID_OPTION',
      `"lookup" must be a function, such as (token, hash) => sessions.find(hash), but is ${received(read.lookup)}`,
    )
  const prefix = read.prefix === undefined ? undefined : tokenPrefix(read.prefix)
  const now = assertClock(read.now)
  const limits = read.cache === undefined ? UNCACHED : givenLimits(read.cache)
  const answers = new SharedAnswers(
    `opaque ${prefix ?? ''}`,
    resultStoreOf(read.cache),
    limits,
    PATIENCE,
    now,
  )
  const bare = new LookupVerifier(read.lookup, prefix, answers, now)
  const verifier = read.cache === undefined ? bare : new Cache(bare, limits, now)
  return markBuiltIn(prefix === undefined ? verifier : new PrefixVerifier(verifier, prefix))
}

/** How long a request waits for the lookup of another process. In seconds. */
const PATIENCE: Seconds = 1.5

/** Verifies tokens by the function `lookup`. */
class LookupVerifier<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #lookup: OpaqueOptions<Claims>['lookup']
  readonly #prefix: string | undefined
  readonly #answers: SharedAnswers
  readonly #now: () => number

  constructor(
    lookup: OpaqueOptions<Claims>['lookup'],
    prefix: string | undefined,
    answers: SharedAnswers,
    now: () => number,
  ) {
    this.#lookup = lookup
    this.#prefix = prefix
    this.#answers = answers
    this.#now = now
  }

  verify(token: string, presented = new PresentedToken(token)): Verified<Claims> {
    if (this.#answers.isUsed) return this.#verifyShared(token, presented)
    return mapMaybe<string, Verification<Identity<Claims>>>(presented.hash, (hash) =>
      mapMaybe<Looked<Claims>, Verification<Identity<Claims>>>(this.#lookup(token, hash), (found) =>
        found === null || found === undefined ? inactive('unknown_token') : verificationOf(found, this.#now),
      ),
    )
  }

  describe(): object {
    return { kind: 'opaque', prefix: this.#prefix, ...this.#answers.describe() }
  }

  async #verifyShared(token: string, presented: PresentedToken): Promise<Verification<Identity<Claims>>> {
    return this.#answers.find<SharedAnswer, Verification<Identity<Claims>>>(presented, {
      ask: async () =>
        shareableRecord(await this.#lookup(token, await presented.hash), token, this.#prefix ?? ''),
      read: (found) =>
        found === null ? inactive('unknown_token') : verificationOf(found as OpaqueToken<Claims>, this.#now),
      share: (record) => record,
      termsOf: termsOfRecord,
    })
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

  override async explain(
    presented: PresentedToken,
    explainers: Explainers,
  ): Promise<VerifierExplanation<Identity<Claims>>> {
    return this.canVerify(presented.text)
      ? super.explain(presented, explainers)
      : { checks: [explainers.prefix(this.#prefix)] }
  }

  verify(token: string, presented?: PresentedToken): Verified<Claims> {
    return this.canVerify(token) ? this.inner.verify(token, presented) : inactive('unknown_token')
  }
}

type Verified<Claims> = Verification<Identity<Claims>> | Promise<Verification<Identity<Claims>>>

/**
 * Turns the result of a lookup into a verification.
 * @throws MistakeError if the result is not a record of members of an identity
 */
function verificationOf<Claims>(
  found: OpaqueToken<Claims>,
  now: () => number,
): Verification<Identity<Claims>> {
  const members = frozen(readRecord(found))
  const claims = (getOwn(members, 'claims') ?? Object.freeze({})) as Claims
  const identity = createIdentity('opaque', { ...members, claims })
  const wrong = isObject(claims) ? wrongMember(identity) : 'claims'
  if (wrong !== undefined)
    throw new MistakeError(`"lookup" returned a "${wrong}" of the wrong type: ${received(members[wrong])}`)
  return activeUntil({ active: true, identity, expiresAt: identity.expiresAt }, now)
}
