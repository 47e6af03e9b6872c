/** Defines the options of a key set that is fetched from its issuer, and checks them. */

import { assertSeconds, assertWholeSeconds } from '../../lib/assert.ts'
import type { Seconds } from '../../model/units.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import { DAY, type KeyLifetimes, MINUTE } from './refresh-policy.ts'

/** The options for fetching and keeping the keys of an issuer. The defaults suit nearly all issuers. */
export interface KeySetOptions {
  /**
   * How long fetched keys are fresh. In seconds, 60–86,400, and at most `staleIfError` if you set that. The gate fetches them
   * again in the background while they are still fresh. If the `max-age` of the issuer is shorter, it applies instead, but keys
   * are fresh for at least 60 seconds. A longer `max-age` has no effect.
   *
   * Default: the `max-age` of the issuer, at least 60 and at most 86,400. Without a `max-age`: 600.
   */
  cacheMaxAge?: Seconds | undefined
  /**
   * How long keys may be used after they were fetched, while the issuer is unavailable (stale-if-error, RFC 5861 §4). After
   * that, the answer is 503. In seconds, 60–604,800, and at least `cacheMaxAge`. Default: 3,600, or the time for which keys are
   * fresh, if that is more than 3,600.
   *
   * Risk: during an outage, the gate does not notice that the issuer has removed a stolen key. An attacker may be able to cause
   * such an outage.
   */
  staleIfError?: Seconds | undefined
  /**
   * How soon tokens with unknown keys may cause another fetch of the key set. In whole seconds, 1–3,600. Default 30.
   *
   * If no key fits a token, the gate fetches the set again, because the issuer may have a new key. But anyone can make up key
   * ids. So these fetches have a rate limit: one per `cooldown`, after a burst of two. Above that limit, the answer is 503.
   * Callers whose tokens were valid before have a limit of their own. See docs/keys-and-outages.md.
   */
  cooldown?: Seconds | undefined
  /** How long one refresh of the keys may take, with all of its requests. In seconds, 0.001–60. Default 5. */
  timeout?: Seconds | undefined
  /**
   * Shares fetched key sets between processes, such as the instances of a serverless function: a new process reads the keys
   * from the store. Default: no store.
   *
   * Risk: anyone who can write to the store can make the gate accept forged tokens.
   */
  jwksStore?: JwksStore | undefined
  /**
   * Called after each attempt to fetch the keys, with the result and the reasons why some keys are not used. Also called for
   * each set that comes from `jwksStore`, and for each failure of that store. Default: none.
   */
  onJwks?: JwksListener | undefined
}

/** The numbers of `KeySetOptions`, checked and with defaults. */
export interface KeySetLimits extends KeyLifetimes {
  readonly cooldown: Seconds
  readonly timeout: Seconds
}

/**
 * Reads the numbers of the options.
 * @throws TypeError if one of them is out of bounds
 */
export function keySetLimits(options: KeySetOptions): KeySetLimits {
  const { cacheMaxAge, staleIfError } = options
  assertSeconds('cacheMaxAge', cacheMaxAge, { preset: 600, min: MINUTE, max: DAY })
  assertSeconds('staleIfError', staleIfError, { preset: 3600, min: cacheMaxAge ?? MINUTE, max: 7 * DAY })
  return {
    cacheMaxAge,
    staleIfError,
    cooldown: assertWholeSeconds('cooldown', options.cooldown, { preset: 30, min: 1, max: 3600 }),
    timeout: assertSeconds('timeout', options.timeout, { preset: 5, min: 0.001, max: 60 }),
  }
}
