/** The introspection endpoint of an authorization server, on loopback: what it was asked, and what it answers. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { listen } from './server.ts'

export interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly form: URLSearchParams
}

export type Reply = (asked: Asked, response: ServerResponse) => unknown

export interface Introspector {
  readonly origin: string
  readonly endpoint: string
  readonly asked: Asked[]
  /** What it answers from now on. */
  reply: Reply
  close(): Promise<void>
}

/** Answers with JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return (_asked, response) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body))
}

export async function startIntrospector(reply: Reply): Promise<Introspector> {
  const asked: Asked[] = []
  const { origin, close } = await listen((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const { url = '', method = '', headers } = request
      const one = { url, method, headers, body, form: new URLSearchParams(body) }
      asked.push(one)
      introspector.reply(one, response)
    })
  })
  const introspector: Introspector = { origin, endpoint: `${origin}/introspect`, asked, reply, close }
  return introspector
}
