/** Receives security event tokens by polling (RFC 8417, RFC 8936), from transmitters that cannot reach this API. */

import { runtimeFetch } from '#runtime-fetch'
import { assertFunction, assertInteger, assertSeconds, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { received } from '../lib/received.ts'
import { httpHosts, secureUrl } from '../lib/url.ts'
import type { Fetch } from '../net/fetch-json.ts'
import { createEventHandler } from './event-handler.ts'
import { Poller, type SecurityEventPoller } from './poller.ts'
import {
  SECURITY_EVENTS_OPTIONS,
  type SecurityEventsOptions,
  securityEventsAbout,
} from './security-events.ts'
import { isFieldValue, Transmitter } from './transmitter.ts'

export interface PollSecurityEventsOptions extends SecurityEventsOptions {
  /**
   * The URL that the transmitter offers for polling: https, without user name and fragment. Plain http is allowed only on loopback,
   * and for the hosts in `allowHttp`.
   */
  endpoint: string
  /**
   * The value of the `Authorization` header, such as `Bearer …`, or a function that returns it. The function is called for each
   * request. If it throws, the poll fails, and no request is sent. Default: no such header, for example because `fetch` presents a
   * client certificate.
   */
  authorization?: string | (() => string | PromiseLike<string>) | undefined
  /**
   * How many tokens one response may contain, 1–1,000. Default 100. Of a longer response, the rest is ignored until the transmitter
   * sends it again. If a response has more than 256 KiB, the poller asks again at once for half as many tokens, and later for more.
   */
  maxEvents?: number | undefined
  /**
   * How long a request that the transmitter answers at once may take, and how long one token may take to be checked and stored. In
   * seconds, 0.1–60. Default 10.
   */
  timeout?: number | undefined
  /**
   * How long a request of `run` may take. In seconds, 1–300. Default 90. It must be longer than the transmitter waits for tokens.
   * Otherwise each of these requests fails.
   */
  longPollTimeout?: number | undefined
}

const OPTIONS = [
  ...SECURITY_EVENTS_OPTIONS,
  ...['endpoint', 'authorization', 'maxEvents', 'timeout', 'longPollTimeout'],
]

/**
 * Creates a poller of security event tokens, for a stream whose delivery method is polling. The events have the same effects as in
 * `securityEvents`.
 *
 * A token is acknowledged after its revocations are stored. A token that is not valid is reported to the transmitter as an error.
 * If the keys or the store are unavailable, it is neither, so that the transmitter sends it again. A failed request is reported to
 * `onRejected` with the status 503.
 *
 * @example
 * const events = pollSecurityEvents({
 *   issuer: 'https://signals.example.com',
 *   audience: 'https://api.example.com',
 *   endpoint: 'https://signals.example.com/poll',
 *   authorization: () => `Bearer ${accessToken()}`,
 *   gate,
 * })
 * void events.run(signal) // in a server
 * await events.poll() // in a cron job
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function pollSecurityEvents(options: PollSecurityEventsOptions): SecurityEventPoller {
  const read = readOptions('pollSecurityEvents', options, OPTIONS)
  const { tokenIssuer, endpoint, authorization, maxEvents, timeout, longPollTimeout, ...rest } = read
  if (authorization !== undefined && typeof authorization !== 'function' && !isFieldValue(authorization))
    throw configurationError(
      'INVALID_OPTION',
      `"authorization" must be the value of the Authorization header, such as "Bearer " and a token, without a space or line break at either end, or a function that returns one; received ${received(authorization)}`,
    )
  return new Poller({
    transmitter: new Transmitter({
      endpoint: secureUrl('endpoint', endpoint, httpHosts(rest.allowHttp)),
      authorization,
      maxEvents: assertInteger('maxEvents', maxEvents, { preset: 100, min: 1, max: 1_000 }),
      fetch: assertFunction<Fetch, Fetch>('fetch', rest.fetch, runtimeFetch),
    }),
    handler: createEventHandler(securityEventsAbout(tokenIssuer), rest),
    timeout: assertSeconds('timeout', timeout, { preset: 10, min: 0.1, max: 60 }),
    longPollTimeout: assertSeconds('longPollTimeout', longPollTimeout, { preset: 90, min: 1, max: 300 }),
  })
}
