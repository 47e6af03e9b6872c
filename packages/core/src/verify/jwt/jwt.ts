/**
 * Verifies JWT access tokens (RFC 7519, RFC 8725, RFC 9068).
 *
 * The steps, cheapest first: the form of the text and the header (`jws`), the claims (`claims`), the signature (`keys`), and
 * then the identity (`claims/mapping`). All but the last two are synchronous.
 */

import { readOptions } from '../../lib/assert.ts'
import { assertClock, secondsOf } from '../../lib/clock.ts'
import { isPromiseLike } from '../../lib/promise.ts'
import { httpHosts } from '../../lib/url.ts'
import type { Identity } from '../../model/identity.ts'
import type { Seconds } from '../../model/units.ts'
import type { VerifierExplanation } from '../../observe/explain.ts'
import { presetLimits } from '../cache-limits.ts'
import { Cache } from '../cached.ts'
import { markBuiltIn } from '../checked.ts'
import { claimsReader, type ReadClaims } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import type { Algorithm, VerificationKey } from '../keys/jwk.ts'
import type { KeySet } from '../keys/key-set.ts'
import { KeyTries } from '../keys/key-tries.ts'
import { callerOf, type KnownCaller } from '../keys/known-callers.ts'
import { Turns } from '../keys/turns.ts'
import { PresentedToken } from '../presented.ts'
import { type Active, activeUntil, type Inactive, inactive, isInactive } from '../verification.ts'
import type { Explainers, TokenVerifier } from '../verifier.ts'
import { type ClaimsPolicy, checkClaims, endOf } from './claims.ts'
import { describeJwt, type JwtDescription } from './description.ts'
import { signatureDetail, unknownKeyDetail } from './details.ts'
import { type CompactJws, parseJws, signingKey } from './jws.ts'
import { algorithmsOf, keySetOf } from './key-source.ts'
import { JWT_OPTIONS, type JwtOptions } from './options.ts'
import { policyOf } from './policy.ts'
import { checkType } from './token-kind.ts'

/**
 * Creates a verifier for the signed JWT access tokens of one issuer.
 *
 * It checks the text, the header, `typ`, `iss`, `aud`, `exp` (required), `nbf` and `iat`. It checks the signature with a key of
 * the issuer that is for exactly the `alg` of the token. It does not ask the issuer whether the token was revoked: for that,
 * use `introspection`, or `revoke` of the gate.
 *
 * If the token is not valid, the answer is 401. If the keys cannot be fetched, the answer is 503.
 *
 * @example
 * const verifier = jwt({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * const gate = createGate({ verifier })
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function jwt<Claims = RawClaims>(options: JwtOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readOptions('jwt', options, JWT_OPTIONS)
  const now = assertClock(read.now)
  return withCache(new JwtVerifier(read, now), read.cache, now)
}

/** Adds the cache of verified tokens, unless `cache` is `false`. With it, the signature of each token is checked once. */
export function withCache<I extends Identity<unknown>>(
  verifier: TokenVerifier<I>,
  cache: JwtOptions['cache'],
  now: () => number,
): TokenVerifier<I> {
  const isCached = cache !== false
  return markBuiltIn(isCached ? new Cache(verifier, presetLimits(cache), now) : verifier)
}

/** A verified token. It records its key and its policy, so that a cached result ends when either is replaced. */
interface Signed<I extends Identity<unknown>> extends Active<I> {
  readonly key: VerificationKey
  /** The rules that it was checked by. */
  readonly policy: ClaimsPolicy
}

/** Verifies the tokens of one issuer, without a cache. */
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
    full: 'Failed to verify a token: the queue of tokens that waited for keys is full',
  })

  /**
   * @param options the names of the options must have been checked
   * @param now the clock. In milliseconds since the epoch
   * @param keys the key set of the issuer, if another verifier of this issuer has created it before
   */
  constructor(options: JwtOptions<Claims>, now: () => number, keys: KeySet = keySetOf(options)) {
    this.#policy = policyOf(options)
    this.#algorithms = algorithmsOf(options)
    this.#allowHttp = httpHosts(options.allowHttp)
    this.#keys = keys
    this.#read = claimsReader('jwt', options, this.#policy.audience)
    this.#now = now
  }

  /** Returns `true` for tokens of this issuer, by their unverified `iss`, and `false` for all others. */
  canVerify(token: string, presented: PresentedToken = new PresentedToken(token)): boolean {
    return presented.claims !== undefined && (presented.unverifiedIssuer ?? null) === this.#policy.issuer
  }

  get clockTolerance(): Seconds {
    return this.#policy.clockTolerance
  }

  get issuers(): readonly string[] {
    return this.#policy.issuer === null ? [] : [this.#policy.issuer]
  }

  /**
   * Verifies a token. All checks that need no key come first. They are fast, and a token that they reject never causes a
   * request to the issuer.
   */
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
      this.#verifySignature(jws, this.#keys.callers && callerOf(claims), presented)
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
    return describeJwt(this.#policy, this.#algorithms, this.#allowHttp, this.#keys.describe())
  }

  explain(presented: PresentedToken, explainers: Explainers): Promise<VerifierExplanation<Identity<Claims>>> {
    const now = secondsOf(this.#now)
    const parts = {
      policy: this.#policy,
      algorithms: this.#algorithms,
      keys: this.#keys,
      read: this.#read,
      now,
    }
    return explainers.jwt(parts, presented)
  }

  /**
   * Verifies the signature, and maps the claims only after that: functions of the application never receive claims that the
   * issuer did not sign.
   *
   * Waiting costs memory, and any client can make tokens wait. So `onWait` drops the decoded token before each wait, and only
   * its text is kept. A token for which all keys are available never waits, except for its turn.
   */
  async #verifySignature(
    jws: CompactJws,
    named: string | undefined | Promise<string>,
    presented: PresentedToken,
  ): Promise<Signed<Identity<Claims>> | Inactive> {
    const name = isPromiseLike(named) ? await named : named
    const caller = this.#keys.callers?.get(name)
    const budget = this.#keys.tries[caller === undefined ? 'unknown' : 'known']
    const onWait = () => presented.forgetDecoded()
    const tries = new KeyTries(budget, { caller: name, known: caller, onWait })
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
    this.#keys.callers?.add(name, key)
    const [expiresAt, policy] = [endOf(identity, this.#policy), this.#policy]
    return activeUntil({ active: true, identity, expiresAt, key, policy }, this.#now)
  }

  /**
   * Finds the key of a token that has waited. Limits how many tokens are verified at once: thousands may have waited for the
   * same refresh, and a check takes more memory than a wait.
   */
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
   * If no newer set is available, the answer is 503, because the key may be new. There is one exception: if the token names a
   * key that is in the set, the answer is 401. RFC 7517 §4.5 tells issuers not to reuse a `kid`, so the signature is almost
   * certainly forged, and a 503 would only help forgers.
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
    if (key !== undefined) return key
    const { alg, kid } = jws
    const tried = known.length + unseen.length
    return tried > 0
      ? inactive('invalid_signature', () => signatureDetail(tried, alg, kid))
      : inactive('unknown_key', () => unknownKeyDetail(this.#keys.describe(), alg, kid))
  }
}
