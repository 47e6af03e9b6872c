/** Receives event tokens over HTTP, on any host, and answers their sender. */

import { createEventHandler, type EventKind, type Outcome } from './event-handler.ts'
import type { Rejected } from './event-token.ts'
import type { ReceiverSettings } from './settings.ts'

/** A message as it arrived. */
export interface Message {
  readonly contentType: string | undefined
  /** The text of the body. For a form, it may also be the object that a body parser made of it. */
  readonly body: string | Readonly<Record<string, unknown>>
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
export interface Protocol extends EventKind {
  /** Finds the token in a message. */
  readonly tokenIn: (message: Message) => string | undefined
  readonly accepted: SignalAnswer
  readonly rejected: (rejected: Rejected) => string
}

/** The longest body that is read, in characters. Event tokens are small. */
const MAX_BODY = 65_536

const NO_STORE = { 'Cache-Control': 'no-store' }
const UNAVAILABLE: SignalAnswer = { status: 503, headers: { ...NO_STORE, 'Retry-After': '5' }, body: '' }

/**
 * Creates the receiver of the event tokens of one issuer.
 * @param options without unknown members
 * @throws TypeError if an option is missing or invalid
 */
export function createReceiver(protocol: Protocol, options: ReceiverSettings): SignalReceiver {
  const handler = createEventHandler(protocol, options)

  function answerTo(outcome: Outcome): SignalAnswer {
    if (outcome.status === 'accepted') return protocol.accepted
    // The keys, or the store, are unavailable: the sender tries again.
    if (outcome.status === 'unavailable') return UNAVAILABLE
    // The language of the description (RFC 8935 §2.3).
    const headers = { ...NO_STORE, 'Content-Type': 'application/json', 'Content-Language': 'en' }
    return { status: 400, headers, body: protocol.rejected(outcome.reason) }
  }

  async function receive(message: Message): Promise<SignalAnswer> {
    try {
      const text = protocol.tokenIn(message)
      if (text !== undefined) return answerTo(await handler.handle(text))
      return answerTo(handler.reject(typeof message.body === 'string' ? NO_TOKEN : NO_TEXT))
    } catch (cause) {
      // The message has members that cannot be read.
      return answerTo(handler.fail(cause))
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

const NO_TOKEN: Rejected = {
  error: 'invalid_request',
  description: 'The request has no token in the expected form',
}
const NO_TEXT: Rejected = {
  error: 'invalid_request',
  description:
    'The body that the receiver got is not the text of the request. Maybe a body parser ran before: mount the receiver before it',
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
