/** Defines the options of a key set that is fetched from its issuer, and checks them. */

import { assertSeconds, assertWholeSeconds } from '../../lib/assert.ts'
import type { Seconds } from '../../model/units.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import { DAY, type KeyLifetimes, MINUTE } from './refresh-policy.ts'

/** The options for fetching and keeping the keys of an issuer. The defaults suit nearly all issuers. */
export interface KeySetOptions {
  /**
   * How long fetched keys are fresh. In seconds, 60–86,400. After a random part of this time (70–90 %), the next request makes
   * the gate fetch the keys again in the background. The `Cache-Control: max-age` of the issuer can shorten this time, but not
   * below 60. It cannot extend this time.
   *
   * Default: the `max-age` of the issuer, but at least 60 and at most 86,400. If there is no `max-age`: 600. If you set
   * `staleIfError`, the keys are never fresh for longer than that.
   */
  cacheMaxAge?: Seconds | undefined
  /**
   * How long the gate uses keys after their fetch if the issuer is unavailable (stale-if-error, RFC 5861 §4). After that, the
   * answer is 503. In seconds. Minimum: `cacheMaxAge` if it is set, otherwise 60. Maximum: 604,800. Default: 3,600, or the
   * time for which the keys are fresh if that is longer.
   *
   * A longer time bridges longer outages.
   *
   * Risk: the gate cannot notice that the issuer withdraws a key during an outage, for example because it was stolen. It accepts
   * tokens with this key until `staleIfError` has passed since the last fetch. An attacker who can block the requests to the
   * issuer can cause such an outage.
   */
  staleIfError?: Seconds | undefined
  /**
   * Limits the fetches that tokens with unknown keys cause. A whole number of seconds, 1–3,600. Default 30.
   *
   * If no key of the set fits a token, the gate fetches the set again, because the issuer may have a new key. Anyone can send
   * tokens with made-up key ids, so these fetches have a budget: two at once, then one every `cooldown` seconds. Callers whose
   * tokens were valid before have a separate budget, so that made-up key ids do not delay a new key for them. If the budget is
   * used up, the answer is 503 with `Retry-After`. The section "Key rotation" of docs/keys-and-outages.md lists all budgets.
   *
   * With a smaller value, the gate finds a new key sooner while an attacker sends forged tokens. But the gate may then also
   * send more requests to the issuer.
   */
  cooldown?: Seconds | undefined
  /**
   * The deadline of one refresh of the keys, including all requests that the refresh itself sends. In seconds, 0.001–60.
   * Default 5. A refresh that takes longer has failed. A request to your API waits for the whole refresh only if there are no
   * usable keys. A request whose token has an unknown key waits for at most 1.5 s.
   */
  timeout?: Seconds | undefined
  /**
   * Shares fetched key sets between processes, such as the isolates of a Worker or the instances of a function. A new process
   * can then read the keys from the store instead of fetching them. Anyone who can write to the store can make the gate accept
   * forged tokens. Default: no store.
   */
  jwksStore?: JwksStore | undefined
  /**
   * Called after each attempt to fetch the keys, with the result, and with the reasons why entries of the set are not used.
   * Also called for each set that came from the `jwksStore`, and for each failure of the store.
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
