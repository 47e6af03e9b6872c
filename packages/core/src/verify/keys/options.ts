/** Defines the options of a key set that is fetched from its issuer, and checks them. */

import { assertInteger, assertNumber } from '../../lib/assert.ts'
import type { Seconds } from '../../model/units.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import { DAY, type KeyLifetimes, MINUTE } from './refresh-policy.ts'

/** The options for fetching and keeping the keys of an issuer. The defaults suit nearly all issuers. */
export interface KeySetOptions {
  /**
   * How long fetched keys are fresh. They are fetched again, in the background, when 70–90 % of that time has passed. In
   * seconds, 60–86,400. The issuer's `Cache-Control: max-age` can shorten it to 60 s, but never extend it.
   * Default: what `max-age` says, from 60 s to 24 h, or 600 without one, and never more than `staleIfError`.
   */
  cacheMaxAge?: Seconds | undefined
  /**
   * How long keys are used after they were fetched, if the issuer is unavailable. After that the answer is 503. In seconds,
   * from 60 or `cacheMaxAge` to 604,800. No `max-age` extends it. Default 3,600, or as long as keys are fresh if that is
   * longer.
   *
   * A longer time bridges longer outages (stale-if-error, RFC 5861 §4). But a key that the issuer withdraws during an outage,
   * for example because it was stolen, stays valid until then. An attacker who can block the requests to the issuer can cause
   * such an outage.
   */
  staleIfError?: Seconds | undefined
  /**
   * How fast the budgets for unknown keys refill. A whole number of seconds, 1–3,600. Default 30. With a shorter time, new keys
   * are found sooner while an attacker sends forged tokens, and the issuer can be asked more often.
   *
   * A token whose key is not in the set has the set fetched again. For that there are three budgets.
   * - Known callers, of whom a token was verified before (by `sub` and `client_id`): each may cause one fetch per `cooldown`,
   *   and all of them together two, and one more per 5 s, or per `cooldown` if that is shorter.
   * - Tokens with a `kid` that an earlier set had: two fetches, and one more per `cooldown`.
   * - All other tokens: two fetches, and one more per `cooldown`.
   *
   * A fetch that brings a new key is paid back, once per `cooldown`. So tokens with made-up key ids cause at most 2 fetches
   * and one more per `cooldown`, and delay no new key of a known caller. An attacker who knows subjects of yours can name
   * them in forged tokens. That delays a new key by up to 5 s, or by up to `cooldown` if no other caller sends a token. By
   * default, an attacker who knows many subjects and an old key id causes at most 6 fetches at once, and 16 a minute more.
   *
   * While its budget is used up, such a token is answered 503 with `Retry-After`. The exceptions are 401: a wrong signature
   * under a `kid` of the set, and a `kid` that the issuer's sets have lacked for a minute.
   */
  cooldown?: Seconds | undefined
  /**
   * The deadline of one refresh with all of its requests. In seconds, 0.001–60. Default 5. If it passes, the refresh has
   * failed. Only requests without usable keys wait for it.
   */
  timeout?: Seconds | undefined
  /**
   * Shares fetched key sets between processes, such as the isolates of a Worker or the instances of a function. A new process
   * then need not fetch them. Anyone who can write to the store can make the gate accept forged tokens. Default: no store.
   */
  jwksStore?: JwksStore | undefined
  /**
   * Called after each attempt to fetch the keys, with the result and the reasons why entries are not used. Also called for
   * each set that came from the `jwksStore`, and for each failure of the store.
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
  assertNumber('cacheMaxAge', cacheMaxAge, { preset: 600, min: MINUTE, max: DAY })
  assertNumber('staleIfError', staleIfError, { preset: 3600, min: cacheMaxAge ?? MINUTE, max: 7 * DAY })
  return {
    cacheMaxAge,
    staleIfError,
    cooldown: assertInteger('cooldown', options.cooldown, { preset: 30, min: 1, max: 3600 }),
    timeout: assertNumber('timeout', options.timeout, { preset: 5, min: 0.001, max: 60 }),
  }
}
