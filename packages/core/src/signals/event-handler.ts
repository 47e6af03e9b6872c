/** Verifies one event token and stores its revocations. Push and poll have this in common. */

import { sha256 } from '#digest'
import type { Gate } from '../gate/interface.ts'
import type { Revocation } from '../gate/revoke.ts'
import { assertFunction } from '../lib/assert.ts'
import { assertClock, secondsOf } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { lru } from '../lib/lru.ts'
import { received } from '../lib/received.ts'
import type { Seconds } from '../model/units.ts'
import { notify } from '../observe/notify.ts'
import { algorithmsOf, keySetOf } from '../verify/jwt/key-source.ts'
import type { JwtOptions } from '../verify/jwt/options.ts'
import { policyOf } from '../verify/jwt/policy.ts'
import { type EventPolicy, type EventToken, invalid, type Rejected, verifyEventToken } from './event-token.ts'
import type { Effects } from './events.ts'
import { KeyWait } from './key-wait.ts'
import type { ReceiverSettings, RejectedSignal, Signal } from './settings.ts'

/** One kind of event tokens. */
export interface EventKind {
  readonly types: EventPolicy['types']
  readonly exp: EventPolicy['exp']
  readonly events: EventPolicy['events']
  readonly effectsOf: (token: EventToken, issuer: string) => Effects | Rejected
}

/** The outcome for one token. It is `unavailable` if the keys or the store are: the sender should send the token again. */
export type Outcome =
  | { readonly status: 'accepted'; readonly isRepeated: boolean }
  | { readonly status: 'rejected'; readonly reason: Rejected }
  | { readonly status: 'unavailable'; readonly cause: unknown }

export interface EventHandler {
  /**
   * Verifies a token and stores its revocations. Never rejects.
   * @param name the `jti` that the token must have. Default: any
   */
  handle(text: string, name?: string): Promise<Outcome>
  /**
   * Tells the application why a message was not accepted, and returns the outcome.
   * @param status of the answer. Default 400
   */
  reject(reason: Rejected, status?: RejectedSignal['status']): Outcome
  fail(cause: unknown): Outcome
}

/** How many ids of tokens are remembered. A repeated token has no effect, but a second revocation would do no harm either. */
const MAX_IDS = 10_000
const SEEN = {}
/**
 * How soon tokens with unknown keys may cause another fetch of the sender's keys. Shorter than for access tokens: only one sender
 * uses the endpoint, and each of its tokens counts.
 */
export const COOLDOWN: Seconds = 5

/**
 * Creates the handler of the event tokens of one issuer.
 * @param options without unknown members
 * @param patience how long a token may wait until the keys may be fetched again. 0 if the sender sends it again
 * @throws TypeError if an option is missing or invalid
 */
export function createEventHandler(
  kind: EventKind,
  options: ReceiverSettings,
  patience: Seconds = 0,
): EventHandler {
  const { gate, onSignal, onRejected, ...rest } = options
  if (typeof (gate as Partial<Gate> | undefined)?.revoke !== 'function')
    throw configurationError(
      'MISSING_OPTION',
      `"gate" must be a gate, whose tokens are revoked, but is ${received(gate)}`,
    )
  const given = rest as JwtOptions<unknown>
  const now = assertClock(given.now)
  const { issuer, audience, clockTolerance } = policyOf(given)
  if (issuer === null || audience === null)
    throw configurationError('MISSING_OPTION', '"issuer" and "audience" must be given, and must not be null')
  const algorithms = algorithmsOf(given)
  const { types, exp, events, effectsOf } = kind
  const policy: EventPolicy = { issuer, audience, types, exp, events, algorithms, clockTolerance }
  const keys = keySetOf({ ...given, cooldown: COOLDOWN })
  const wait = new KeyWait(patience)
  const signalListener = assertFunction('onSignal', onSignal, undefined)
  const rejectedListener = assertFunction('onRejected', onRejected, undefined)
  const ids = lru<object>({ max: MAX_IDS })

  async function revokeAll(revocations: Effects['revocations']): Promise<void> {
    // One after the other: a store that is full must not hide the error of another one.
    for (const revocation of revocations) await gate.revoke(revocation as Revocation)
  }

  function reject(reason: Rejected, status: RejectedSignal['status'] = 400): Outcome {
    notify<RejectedSignal>(rejectedListener, { status, description: reason.description })
    return { status: 'rejected', reason }
  }

  function fail(cause: unknown): Outcome {
    notify<RejectedSignal>(rejectedListener, { status: 503, cause })
    return { status: 'unavailable', cause }
  }

  async function handle(text: string, name?: string): Promise<Outcome> {
    try {
      const token = await wait.verify(text, () => verifyEventToken(text, policy, keys, secondsOf(now)))
      if ('error' in token) return reject(token)
      if (name !== undefined && token.id !== name) return reject(OTHER_ID)
      const effects = effectsOf(token, policy.issuer)
      if ('error' in effects) return reject(effects)
      // The hash, because an id may be nearly as long as its token.
      const id = await sha256(token.id)
      const isRepeated = ids.get(id) !== undefined
      if (!isRepeated) await revokeAll(effects.revocations)
      ids.set(id, SEEN)
      notify<Signal>(signalListener, { id: token.id, ...effects, isRepeated })
      return { status: 'accepted', isRepeated }
    } catch (cause) {
      return fail(cause)
    }
  }

  return { handle, reject, fail }
}

const OTHER_ID = invalid('its "jti" is not the name under which it was delivered')
