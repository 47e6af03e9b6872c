/** Receives event tokens over HTTP, on any host, and answers their sender. */

import { raceAbort } from '../lib/abort.ts'
import type { Seconds } from '../model/units.ts'
import { PendingCalls } from '../net/pending-calls.ts'
import { COOLDOWN, createEventHandler, type EventKind, type Outcome } from './event-handler.ts'
import type { Rejected } from './event-token.ts'
import { isTooLong, readBody, TOO_LONG, UnreadBody } from './request-body.ts'
import type { ReceiverSettings } from './settings.ts'

/** A message as it arrived. */
export interface Message {
  readonly contentType: string | undefined
  /** The text of the body. For a form, it may also be the object that a body parser made of it. */
  readonly body: string | Readonly<Record<string, unknown>>
}

/** The answer to the sender. */
export interface SignalAnswer {
  /** 408 only from `handle`: the body was late. 413: it was too long. */
  readonly status: 200 | 202 | 400 | 408 | 413 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Receives the event tokens of one issuer. */
export interface SignalReceiver {
  /**
   * Handles a message whose body was read by the application, and has at most 65,536 characters. Answers within 10 s. Never throws or
   * rejects.
   */
  receive(message: Message): Promise<SignalAnswer>
  /** A fetch handler: reads the request within 10 s, and handles its message like `receive`. Never throws or rejects. */
  handle(request: Request): Promise<Response>
}

/** How one kind of event tokens is transported and answered. */
export interface Protocol extends EventKind {
  /** Finds the token in a message. */
  readonly tokenIn: (message: Message) => string | undefined
  readonly accepted: SignalAnswer
  readonly rejected: (rejected: Rejected) => string
}

/** How long a token may take to be checked and stored, its wait for keys included. */
const DEADLINE: Seconds = 10
/** How long a token may wait until the keys may be fetched again. Longer than `COOLDOWN`, so that there is one more fetch. */
const PATIENCE: Seconds = COOLDOWN + 1

const NO_STORE = { 'Cache-Control': 'no-store' }
const UNAVAILABLE: SignalAnswer = { status: 503, headers: { ...NO_STORE, 'Retry-After': '5' }, body: '' }

/**
 * Creates the receiver of the event tokens of one issuer.
 * @param options without unknown members
 * @throws TypeError if an option is missing or invalid
 */
export function createReceiver(protocol: Protocol, options: ReceiverSettings): SignalReceiver {
  const handler = createEventHandler(protocol, options, PATIENCE)
  const handling = new PendingCalls(DEADLINE, 'The event token was not checked and stored in time')

  function answerTo(outcome: Outcome): SignalAnswer {
    if (outcome.status === 'accepted') return protocol.accepted
    // The keys, or the store, are unavailable: the sender tries again.
    if (outcome.status === 'unavailable') return UNAVAILABLE
    // The language of the description (RFC 8935 §2.3).
    const headers = { ...NO_STORE, 'Content-Type': 'application/json', 'Content-Language': 'en' }
    return { status: 400, headers, body: protocol.rejected(outcome.reason) }
  }

  function answerUnread({ status, description }: UnreadBody): SignalAnswer {
    handler.reject({ error: 'invalid_request', description }, status)
    return { status, headers: NO_STORE, body: '' }
  }

  async function receive(message: Message): Promise<SignalAnswer> {
    try {
      if (isTooLong(message.body)) return answerUnread(TOO_LONG)
      const text = protocol.tokenIn(message)
      if (isTooLong(text)) return answerUnread(TOO_LONG)
      if (text !== undefined)
        return answerTo(await handling.run((signal) => raceAbort(handler.handle(text), signal)))
      return answerTo(handler.reject(typeof message.body === 'string' ? NO_TOKEN : NO_TEXT))
    } catch (cause) {
      // The store did not answer in time, or the message has members that cannot be read.
      return answerTo(handler.fail(cause))
    }
  }

  return {
    receive,
    async handle(request) {
      if (request.method !== 'POST') return new Response(null, { status: 405, headers: { Allow: 'POST' } })
      const body = await readBody(request)
      const contentType = request.headers.get('content-type') ?? undefined
      const answer = body instanceof UnreadBody ? answerUnread(body) : await receive({ contentType, body })
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
