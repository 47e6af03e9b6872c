/** Receives event tokens over HTTP, on any host, and answers their sender. */

import type { Gate } from '../gate/interface.ts'
import type { Revocation } from '../gate/revoke.ts'
import { assertFunction, readOptions } from '../lib/assert.ts'
import { assertClock, secondsOf } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { lru } from '../lib/lru.ts'
import { received } from '../lib/received.ts'
import { algorithmsOf, keySetOf } from '../verify/jwt/key-source.ts'
import type { JwtOptions } from '../verify/jwt/options.ts'
import { policyOf } from '../verify/jwt/policy.ts'
import { type EventPolicy, type EventToken, type Rejected, verifyEventToken } from './event-token.ts'
import type { Effects } from './events.ts'

/** The events of one token, passed to `onSignal`. It contains no token. */
export interface Signal {
  /** The `jti` of the event token. */
  readonly id: string
  readonly revocations: Effects['revocations']
  /** The types of the events that revoke nothing. */
  readonly ignored: readonly string[]
  /** Whether the token was received before. It then has no effect. */
  readonly isRepeated: boolean
}

/** A message that was not accepted, passed to `onRejected`. It contains no token. */
export interface RejectedSignal {
  readonly status: 400 | 503
  /** The reason, for 400. */
  readonly description?: string | undefined
  /** The error, for 503: the keys or the store of revocations are unavailable. */
  readonly cause?: unknown
}

export interface ReceiverSettings {
  /**
   * The issuer of the event tokens that this receiver gets. Their keys are found in the same way as for `jwt`, with the same
   * options.
   */
  issuer: string
  /** The names of this receiver: `aud` of an event token must contain one of them. */
  audience: string | readonly string[]
  /** The gate whose access tokens are revoked. It may share its `revocations` with other gates and processes. */
  gate: Pick<Gate<never>, 'revoke'>
  /** Called for each token that was accepted. Default: none. */
  onSignal?: ((signal: Signal) => void) | undefined
  /** Called for each message that was not accepted. Log it, because senders often ignore the answer. Default: none. */
  onRejected?: ((rejected: RejectedSignal) => void) | undefined
  /** The URL of the key set of the sender. Default: the `jwks_uri` of the metadata of `issuer`. As in `jwt`. */
  jwksUri?: string | undefined
  /** The key set of the sender as an object (RFC 7517 §5), instead of the URL in `jwksUri`. As in `jwt`. */
  keys?: JwtOptions<unknown>['keys']
  /** The signature algorithms that are accepted (RFC 8725 §3.1). Default: those of `jwt`. */
  algorithms?: JwtOptions<unknown>['algorithms']
  /** The hosts from which the keys may be fetched over plain http, such as `keycloak:8080`. Default: loopback only. As in `jwt`. */
  allowHttp?: readonly string[] | undefined
  /** How far the clocks of the sender and of this process may be apart. In seconds, 0 to 300. Default 30. */
  clockTolerance?: number | undefined
  /** The function that sends requests for metadata and keys. Default: that of `jwt`. */
  fetch?: JwtOptions<unknown>['fetch']
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

const NAMES = [
  'issuer',
  'audience',
  'gate',
  'onSignal',
  'onRejected',
  'jwksUri',
  'keys',
  'algorithms',
  'allowHttp',
  'clockTolerance',
  'fetch',
  'now',
] as const

/** A message as it arrived. */
export interface Message {
  readonly contentType: string | undefined
  readonly body: string
}

/** The answer to the sender. */
export interface SignalAnswer {
  readonly status: 200 | 202 | 400 | 413 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Receives the event tokens of one issuer. */
export interface SignalReceiver {
  /** Handles a message whose body was read by the application. Never throws or rejects. */
  receive(message: Message): Promise<SignalAnswer>
  /** A fetch handler: reads the request, and handles its message. Never throws or rejects. */
  handle(request: Request): Promise<Response>
}

/** How one kind of event tokens is transported and answered. */
export interface Protocol {
  readonly name: string
  readonly types: EventPolicy['types']
  readonly exp: EventPolicy['exp']
  readonly events: EventPolicy['events']
  /** Finds the token in a message. */
  readonly tokenIn: (message: Message) => string | undefined
  readonly effectsOf: (token: EventToken, issuer: string) => Effects | Rejected
  readonly accepted: SignalAnswer
  readonly rejected: (rejected: Rejected) => string
}

/** The longest body that is read, in characters. Event tokens are small. */
const MAX_BODY = 65_536
/** How many ids of tokens are remembered. A repeated token has no effect, but a second revocation would do no harm either. */
const MAX_IDS = 10_000

const NO_STORE = { 'Cache-Control': 'no-store' }
const UNAVAILABLE: SignalAnswer = { status: 503, headers: { ...NO_STORE, 'Retry-After': '5' }, body: '' }

/** @throws TypeError if an option is unknown, missing or invalid */
export function createReceiver(protocol: Protocol, options: ReceiverSettings): SignalReceiver {
  const { gate, onSignal, onRejected, ...rest } = readOptions(protocol.name, options, NAMES)
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
  const { types, exp, events } = protocol
  const policy: EventPolicy = { issuer, audience, types, exp, events, algorithms, clockTolerance }
  const keys = keySetOf(given)
  const notify = assertFunction('onSignal', onSignal, undefined)
  const notifyRejected = assertFunction('onRejected', onRejected, undefined)
  const ids = lru<object>({ max: MAX_IDS })

  async function revokeAll(revocations: Effects['revocations']): Promise<void> {
    // One after the other: a store that is full must not hide the error of another one.
    for (const revocation of revocations) await gate.revoke(revocation as Revocation)
  }

  async function receive(message: Message): Promise<SignalAnswer> {
    const rejected = (reason: Rejected): SignalAnswer => {
      tell(notifyRejected, { status: 400, description: reason.description })
      const headers = { ...NO_STORE, 'Content-Type': 'application/json' }
      return { status: 400, headers, body: protocol.rejected(reason) }
    }
    try {
      const text = typeof message?.body === 'string' ? protocol.tokenIn(message) : undefined
      if (text === undefined) return rejected(NO_TOKEN)
      const token = await verifyEventToken(text, policy, keys, secondsOf(now))
      if ('error' in token) return rejected(token)
      const effects = protocol.effectsOf(token, policy.issuer)
      if ('error' in effects) return rejected(effects)
      const isRepeated = ids.get(token.id) !== undefined
      if (!isRepeated) await revokeAll(effects.revocations)
      ids.set(token.id, SEEN)
      tell(notify, { id: token.id, ...effects, isRepeated })
      return protocol.accepted
    } catch (cause) {
      // The keys, or the store, are unavailable: the sender tries again.
      tell(notifyRejected, { status: 503, cause })
      return UNAVAILABLE
    }
  }

  return {
    receive,
    async handle(request) {
      if (request.method !== 'POST') return new Response(null, { status: 405, headers: { Allow: 'POST' } })
      const body = await bodyOf(request)
      const contentType = request.headers.get('content-type') ?? undefined
      const answer = body === undefined ? TOO_LONG : await receive({ contentType, body })
      return new Response(answer.body === '' ? null : answer.body, {
        status: answer.status,
        headers: answer.headers,
      })
    },
  }
}

/** Calls a listener. If it throws, that has no effect. */
function tell<Event>(listener: ((event: Event) => void) | undefined, event: Event): void {
  try {
    listener?.(event)
  } catch {}
}

const SEEN = {}
const NO_TOKEN: Rejected = {
  error: 'invalid_request',
  description: 'The request has no token in the expected form',
}
const TOO_LONG: SignalAnswer = { status: 413, headers: NO_STORE, body: '' }

/** Reads a body. `undefined` if it is too long, or breaks off. */
async function bodyOf(request: Request): Promise<string | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY) return undefined
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > MAX_BODY) return undefined
    }
  } catch {
    return undefined
  }
  return text
}
