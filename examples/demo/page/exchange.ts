/** Sends the request of the editor to an API, and shows request and response as text. */

import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Gate } from '@bearergate/core'
import type { Check } from '@bearergate/core/adapter'
import type { Draft, Exchange } from './model.ts'

const TIMEOUT = 8000

/** @throws TypeError if a header cannot be sent */
export async function exchange(draft: Draft, origin: string, gate: Gate): Promise<Exchange> {
  const { method, path, token, headers, body } = draft
  const url = urlOf(draft, origin)
  const { failed } = await gate.explain({ header: (name) => linesOf(draft, name), method, url: path })
  // Such a token cannot be sent at all.
  if (/[^\t -~]/.test(token)) throw new TypeError(`${failed?.cause} ${failed?.fix}`)
  const outgoing = httpRequest(url, { method, signal: AbortSignal.timeout(TIMEOUT) })
  for (const [name, value] of headers) outgoing.appendHeader(name, value)
  if (token !== '') outgoing.appendHeader('Authorization', `Bearer ${token}`)
  if (method !== 'GET') outgoing.setHeader('Content-Length', Buffer.byteLength(body))
  const names = outgoing.getRawHeaderNames()
  const lines = names.flatMap((name) => [outgoing.getHeader(name)].flat().map((value) => `${name}: ${value}`))
  outgoing.end(method === 'GET' ? undefined : body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const content = await text(incoming)
  const status = incoming.statusCode ?? 0
  const challenge = incoming.headers['www-authenticate']
  return {
    request: [`${method} ${path} HTTP/1.1`, ...lines, '', ...(method === 'GET' ? [] : [body])].join('\n'),
    response: [`HTTP/1.1 ${status} ${incoming.statusMessage}`, ...rawLines(incoming), '', content].join('\n'),
    status,
    challenge: challenge === undefined ? undefined : parametersOf(challenge),
    ...reasonFor(status, failed),
    json: parsed(content),
  }
}

/**
 * Returns the URL of a request. Another host must not get the token.
 * @throws TypeError if the path leads to another host
 */
export function urlOf({ path }: Draft, origin: string): string {
  if (new URL(origin + path).origin !== origin) throw new TypeError('The path must begin with a slash')
  return origin + path
}

function linesOf({ token, headers }: Draft, name: string): string | readonly string[] | undefined {
  const own = name === 'authorization' && token !== '' ? [`Bearer ${token}`] : []
  const lines = [
    ...own,
    ...headers.filter(([header]) => header.toLowerCase() === name).map(([, value]) => value),
  ]
  return lines.length < 2 ? lines[0] : lines
}

function rawLines({ rawHeaders }: IncomingMessage): readonly string[] {
  const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, index) =>
    rawHeaders.slice(2 * index, 2 * index + 2),
  )
  return pairs.map(([name, value]) => `${name}: ${value}`)
}

/** Reads the parameters of one challenge (RFC 9110 §11.6.1). The values have no escaped characters here. */
function parametersOf(challenge: string): readonly (readonly [string, string])[] {
  return [...challenge.matchAll(/([\w-]+)="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, value] as const,
  )
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

/** Says why an answer is what it is: by the check that failed, and by the status for what a gate does not decide. */
function reasonFor(status: number, failed: Check | undefined): Pick<Exchange, 'why' | 'fix' | 'rfc'> {
  if (failed !== undefined && [400, 401, 503].includes(status))
    return { why: failed.cause ?? failed.name, fix: failed.fix, rfc: failed.rfc }
  const [why, rfc] = BY_STATUS[status] ?? ['The API decided so, not the gate.', 'RFC 9110 §15']
  return { why, fix: undefined, rfc }
}

const BY_STATUS: Readonly<Record<number, readonly [why: string, rfc: string]>> = {
  200: ['The token is valid, and has the scope that the route needs.', 'RFC 6750 §2.1'],
  400: ['The token is fine, but the API cannot read the body.', 'RFC 9110 §15.5.1'],
  401: ['The token was rejected a moment ago. It may be valid now.', 'RFC 6750 §3.1'],
  403: [
    'The token is valid, but does not have the scope that the route needs. A new token of the same kind would not help.',
    'RFC 6750 §3.1',
  ],
  404: ['The gate let the request pass, and the API has no such route.', 'RFC 9110 §15.5.5'],
  503: [
    'The token could not be checked. It may be good, so the client keeps it and tries again.',
    'RFC 9110 §15.6.4',
  ],
}
