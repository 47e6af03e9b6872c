/** Sends answers with the methods that every Node response has, in any framework. */

import { isTargetedCacheControl } from '../answer/cache-headers.ts'
import { timeout } from '../lib/clock.ts'
import { type Answer, answerOf, type Preflight } from '../model/decision.ts'
import type { Seconds } from '../model/units.ts'
import type { NodeRequest } from '../request/node.ts'
import type { Gate } from './interface.ts'

/** The members that are used of a response of `node:http`, or of the compatibility API of `node:http2`. */
export interface NodeResponse {
  statusCode: number
  readonly headersSent: boolean
  getHeader(name: string): number | string | readonly string[] | undefined
  getHeaderNames(): readonly string[]
  setHeader(name: string, value: number | string | readonly string[]): unknown
  appendHeader(name: string, value: string | readonly string[]): unknown
  removeHeader(name: string): void
  writeHead(...args: never[]): unknown
  end(body: string): unknown
}

/**
 * Middleware for any host that calls it with a request and a response of Node.
 * @param next is called if the request is allowed. It gets an error only if `onDenied` is `next`, or a CORS middleware failed
 */
export type NodeHandler = (
  request: NodeRequest,
  response: NodeResponse,
  next: (cause?: Error) => void,
) => void

const EXPOSED = 'Access-Control-Expose-Headers'

/** Sends an answer, unless the headers were sent already. Headers that other middleware exposes to scripts stay exposed. */
export function sendAnswer(response: NodeResponse, { status, headers, body }: Answer): void {
  if (response.headersSent) return
  response.statusCode = status
  removeTargetedCacheControl(response)
  for (const [name, value] of Object.entries(headers)) {
    const before = name === EXPOSED ? textOf(response.getHeader(name)) : undefined
    response.setHeader(name, before === undefined ? value : `${before}, ${value}`)
  }
  response.end(body)
}

/** Removes the fields by which middleware that ran before would let shared caches store a denial (RFC 9213 §2.2). */
export function removeTargetedCacheControl(
  response: Pick<NodeResponse, 'getHeaderNames' | 'removeHeader'>,
): void {
  // Some libraries call middleware with a response of their own, which has no list of names.
  const names: unknown = response.getHeaderNames?.()
  if (!Array.isArray(names)) return
  for (const name of names) if (isTargetedCacheControl(name)) response.removeHeader(name)
}

/** Returns the value of a header as one line. */
export function textOf(value: number | string | readonly string[] | undefined): string | undefined {
  return value === undefined ? undefined : [value].flat().join(', ')
}

type Middleware = (request: NodeRequest, response: NodeResponse, next: (cause?: unknown) => void) => unknown

/** How long a CORS middleware may take to answer. In seconds. */
const MAX_WAIT: Seconds = 10

/**
 * Lets the CORS middleware of a gate answer a preflight. If it answers nothing within 10 s, the gate does.
 * @param next is called only with an error, and only if `onDenied` is `next`: the host may ignore its argument
 */
export function answerPreflight(
  { cors, onDenied }: Pick<Gate, 'cors' | 'onDenied'>,
  decision: Preflight,
  request: NodeRequest,
  response: NodeResponse,
  next: (cause: Error) => void,
): void {
  let isDone = false
  const finish = (cause?: unknown) => {
    if (isDone || response.headersSent) return
    isDone = true
    if (onDenied === 'next' && cause instanceof Error) next(cause)
    else sendAnswer(response, answerOf(decision))
  }
  timeout(MAX_WAIT).addEventListener('abort', () => finish())
  // An async middleware may reject, with anything.
  new Promise((resolve) => resolve((cors as unknown as Middleware)(request, response, finish))).catch(
    (cause) => finish(cause instanceof Error ? cause : new Error('The CORS middleware failed', { cause })),
  )
}
