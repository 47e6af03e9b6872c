/** A transmitter of security event tokens on loopback that is polled (RFC 8936): it keeps each token until it is acknowledged. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { listen } from './server.ts'

/** A poll as it arrived. */
export interface ReceivedPoll {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: {
    readonly maxEvents?: number
    readonly returnImmediately?: boolean
    readonly ack?: readonly string[]
    readonly setErrs?: Readonly<Record<string, { readonly err: string; readonly description: string }>>
  }
}

/** Answers instead of the transmitter. `undefined` lets the transmitter answer. */
type Reply = (poll: ReceivedPoll, response: ServerResponse) => unknown

export interface TestTransmitter {
  readonly endpoint: string
  readonly polls: ReceivedPoll[]
  /** The tokens that are not acknowledged, by their names. */
  readonly queue: Map<string, unknown>
  readonly acknowledged: string[]
  readonly errors: Record<string, string>
  /** Answers the next polls, one each. Their acknowledgements are lost. */
  readonly replies: Reply[]
  /** Answers each poll that has no reply of its own. */
  reply: Reply | undefined
  /** How many polls wait for tokens. */
  readonly waiting: number
  /** Adds a token, and answers the polls that wait. */
  add(name: string, token: unknown): void
  close(): Promise<void>
}

export async function startTransmitter(): Promise<TestTransmitter> {
  const waiting = new Set<() => void>()
  const queue = new Map<string, unknown>()
  const polls: ReceivedPoll[] = []
  const acknowledged: string[] = []
  const errors: Record<string, string> = {}

  function settle({ ack = [], setErrs = {} }: ReceivedPoll['body']): void {
    for (const name of ack) if (queue.delete(name)) acknowledged.push(name)
    for (const [name, { err }] of Object.entries(setErrs)) {
      errors[name] = err
      queue.delete(name)
    }
  }

  function deliver({ maxEvents = 1000 }: ReceivedPoll['body'], response: ServerResponse): void {
    const sets = Object.fromEntries([...queue].slice(0, maxEvents))
    send(response, { sets, ...(queue.size > maxEvents && { moreAvailable: true }) })
  }

  function answer(poll: ReceivedPoll, response: ServerResponse): unknown {
    const { body } = poll
    const reply = transmitter.replies.shift() ?? transmitter.reply
    if (reply !== undefined) return reply(poll, response)
    settle(body)
    if (body.maxEvents === 0) return send(response, { sets: {} })
    if (queue.size > 0 || body.returnImmediately === true) return deliver(body, response)
    const wake = () => {
      waiting.delete(wake)
      deliver(body, response)
    }
    waiting.add(wake)
    return response.on('close', () => waiting.delete(wake))
  }

  const { origin, close } = await listen(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', headers } = request
    const poll = { method, headers, body: JSON.parse(Buffer.concat(chunks).toString()) }
    polls.push(poll)
    answer(poll, response)
  })
  const transmitter: TestTransmitter = {
    endpoint: `${origin}/poll`,
    polls,
    queue,
    acknowledged,
    errors,
    replies: [],
    reply: undefined,
    get waiting() {
      return waiting.size
    },
    add(name, token) {
      queue.set(name, token)
      for (const wake of [...waiting]) wake()
    },
    close,
  }
  return transmitter
}

/** Answers with JSON, or with a text as it is. */
export function send(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(typeof body === 'string' ? body : JSON.stringify(body))
}
