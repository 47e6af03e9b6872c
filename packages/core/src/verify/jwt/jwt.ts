/** JWT access tokens (RFC 7519, RFC 8725, RFC 9068). */

import { assertFunction, readOptions } from '../../lib/assert.ts'
import { secondsOf, now as systemNow } from '../../lib/clock.ts'
import { isPromiseLike } from '../../lib/promise.ts'
import { httpHosts } from '../../lib/url.ts'
import type { Identity } from '../../model/identity.ts'
import type { Seconds } from '../../model/units.ts'
import { Cache, cacheLimits } from '../cached.ts'
import { markBuiltIn } from '../checked.ts'
import { claimsReader, type ReadClaims } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import type { Algorithm, VerificationKey } from '../keys/jwk.ts'
import { algorithmMismatch, type KeySet, type KeySetDescription } from '../keys/key-set.ts'
import { KeyTries } from '../keys/key-tries.ts'
import { callerOf, type KnownCaller } from '../keys/known-callers.ts'
import { Turns } from '../keys/turns.ts'
import { PresentedToken } from '../presented.ts'
import { type Active, activeUntil, type Inactive, inactive, isInactive } from '../verification.ts'
import type { TokenVerifier } from '../verifier.ts'
import { type ClaimsPolicy, checkClaims, checkType, type Profile } from './claims.ts'
import { type CompactJws, parseJws, signingKey } from './jws.ts'
import { algorithmsOf, keySetOf } from './key-source.ts'
import { JWT_OPTIONS, type JwtOptions } from './options.ts'
import { policyOf } from './policy.ts'

/**
 * Verifies the signed JWT access tokens of one issuer.
 *
 * Checked: the one canonical spelling, the header, `typ`, `iss`, `aud`, `exp` (required), `nbf`, `iat`, and the
 * signature by a key of the issuer's for that very algorithm. Not checked: whether the token was revoked.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function jwt<Claims = RawClaims>(options: JwtOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readOptions('jwt', options, JWT_OPTIONS)
  const now = assertFunction('now', read.now, systemNow)
  return withCache(new JwtVerifier(read, now), read.cache, now)
}

/** Verified tokens are kept unless `cache` is false: the signature of each is checked once. */
export function withCache<I extends Identity<unknown>>(
  verifier: TokenVerifier<I>,
  cache: JwtOptions['cache'],
  now: () => number,
): TokenVerifier<I> {
  if (cache === false) return markBuiltIn(verifier)
  const limits = cacheLimits(readOptions('cache', cache === undefined ? {} : cache, ['max', 'ttl']))
  return markBuiltIn(new Cache(verifier, limits, now))
}

interface Signed<I extends Identity<unknown>> extends Active<I> {
  readonly key: VerificationKey
  /** The rules that it was judged by. */
  readonly policy: ClaimsPolicy
}

export class JwtVerifier<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #policy: ClaimsPolicy
  readonly #algorithms: readonly Algorithm[]
  readonly #allowHttp: ReadonlySet<string>
  readonly #keys: KeySet
  readonly #read: ReadClaims<Claims>
  readonly #now: () => number
  readonly #afterWait = new Turns({
    concurrency: 64,
    queue: 50_000,
    full: 'Too many tokens have waited for keys',
  })

  /**
   * @param options their names are checked already
   * @param keys those of the issuer, if they are held already
   */
  constructor(options: JwtOptions<Claims>, now: () => number, keys: KeySet = keySetOf(options)) {
    this.#policy = policyOf(options)
    this.#algorithms = algorithmsOf(options)
    this.#allowHttp = httpHosts(options.allowHttp)
    this.#keys = keys
    this.#read = claimsReader('jwt', options, this.#policy.audience)
    this.#now = now
  }

  canVerify(token: string, presented: PresentedToken = new PresentedToken(token)): boolean {
    return presented.claims !== undefined && (presented.unverifiedIssuer ?? null) === this.#policy.issuer
  }

  get clockTolerance(): Seconds {
    return this.#policy.clockTolerance
  }

  get issuers(): readonly string[] {
    return this.#policy.issuer === null ? [] : [this.#policy.issuer]
  }

  /** Whatever can refuse a token without its signature goes first: it costs the issuer nothing, and us little. */
  verify(
    token: string,
    presented: PresentedToken = new PresentedToken(token),
  ): Inactive | Promise<Signed<Identity<Claims>> | Inactive> {
    const decoded = presented.jws
    if (isInactive(decoded)) return decoded
    const jws = parseJws(decoded, this.#algorithms)
    if (isInactive(jws)) return jws
    const { claims } = decoded
    if (claims === undefined)
      return inactive('malformed_token', 'the payload is not a JSON object in UTF-8, or nested too deeply')
    return (
      checkType(decoded.header, claims, this.#policy) ??
      checkClaims(claims, this.#policy, secondsOf(this.#now)) ??
      this.#verifySignature(jws, callerOf(claims), presented)
    )
  }

  isStillValid({ key, policy }: Signed<Identity<Claims>>): boolean {
    return policy === this.#policy && this.#keys.isStillPublished(key)
  }

  get backgroundWork(): Promise<void> | undefined {
    return this.#keys.backgroundWork
  }

  ready(): Promise<void> {
    return this.#keys.ready()
  }

  close(): void {
    this.#keys.close()
  }

  describe(): JwtDescription {
    const { issuer, audience, profile, idTokenClaims } = this.#policy
    return {
      kind: 'jwt',
      issuer,
      audience,
      profile,
      ...(idTokenClaims.length > 0 && { allowIdTokenClaims: idTokenClaims }),
      algorithms: this.#algorithms,
      allowHttp: [...this.#allowHttp],
      keySet: this.#keys.describe(),
    }
  }

  /**
   * Verifies the signature, and reads the claims only then: functions of the user's get only what the issuer signed.
   * While the token waits for keys, only its text is kept.
   */
  async #verifySignature(
    jws: CompactJws,
    named: string | undefined | Promise<string>,
    presented: PresentedToken,
  ): Promise<Signed<Identity<Claims>> | Inactive> {
    const name = isPromiseLike(named) ? await named : named
    const caller = this.#keys.callers.get(name)
    const budget = this.#keys.tries[caller === undefined ? 'unknown' : 'known']
    const onWait = () => presented.forgetDecoded()
    const tries = new KeyTries(budget, { caller: name, lastKey: caller?.lastKey, onWait })
    const found = this.#keys.find(jws.alg, jws.kid)
    if (isPromiseLike(found)) onWait()
    const known = isPromiseLike(found) ? await found : found
    let key: VerificationKey | Inactive | undefined = isPromiseLike(found)
      ? await this.#keyAfterWait(jws, known, tries, caller)
      : await signingKey(jws, known, tries)
    if (key === undefined) {
      onWait()
      key = await this.#newKey(jws, known, tries, caller)
    }
    if (isInactive(key)) return key
    const read = this.#read(presented.claims as RawClaims)
    const identity = isPromiseLike(read) ? await read : read
    if (isInactive(identity)) return identity
    this.#keys.callers.add(name, key)
    return activeUntil({ identity, expiresAt: this.#expiry(identity), key, policy: this.#policy }, this.#now)
  }

  /** Limits how many tokens are verified at once after a wait. Many may have waited, and a check takes more memory than a wait. */
  async #keyAfterWait(
    jws: CompactJws,
    keys: readonly VerificationKey[],
    tries: KeyTries,
    caller: KnownCaller | undefined,
  ): Promise<VerificationKey | undefined> {
    if (keys.length === 0) return undefined
    const turn = { known: caller !== undefined, signal: new AbortController().signal }
    return this.#afterWait.run(() => signingKey(jws, keys, tries), turn)
  }

  /**
   * Searches a newer set if none of the known keys made the signature.
   *
   * If no newer set is available, the answer is 503, because the key may be new. Except if the token names a key that
   * is in the set: RFC 7517 §4.5 tells issuers not to reuse a `kid`, so the signature is almost certainly forged. A 503
   * would only help forgers.
   */
  async #newKey(
    jws: CompactJws,
    known: readonly VerificationKey[],
    tries: KeyTries,
    caller: KnownCaller | undefined,
  ): Promise<VerificationKey | Inactive> {
    const unseen = await this.#keys.search(jws.alg, jws.kid, known, caller).catch((cause) => {
      if (jws.kid !== undefined && known.length > 0) return []
      throw cause
    })
    const key = await this.#keyAfterWait(jws, unseen, tries, caller)
    if (key !== undefined || known.length + unseen.length > 0) return key ?? inactive('invalid_signature')
    return inactive('unknown_key', () => algorithmMismatch(this.#keys.describe(), jws.alg, jws.kid))
  }

  /** Returns when the token stops being accepted, with the clock tolerance. In seconds since the epoch. */
  #expiry({ expiresAt, issuedAt }: Identity<unknown>): Seconds | undefined {
    const { maxTokenAge, clockTolerance } = this.#policy
    if (expiresAt === undefined) return undefined
    if (maxTokenAge === undefined || issuedAt === undefined) return expiresAt + clockTolerance
    return Math.min(expiresAt, issuedAt + maxTokenAge) + clockTolerance
  }
}

/** How a `jwt` verifier is set up and what its key set holds, for operators. */
export interface JwtDescription {
  readonly kind: 'jwt'
  /** `null` if tokens without `iss` are accepted, and no others. */
  readonly issuer: string | null
  /** `null` if tokens for any audience are accepted. */
  readonly audience: readonly string[] | null
  readonly profile: Profile
  /** The claims of ID tokens that are allowed, if any are. */
  readonly allowIdTokenClaims?: readonly string[]
  readonly algorithms: readonly Algorithm[]
  /** The hosts that plain http is allowed for. */
  readonly allowHttp: readonly string[]
  readonly keySet: KeySetDescription
}
