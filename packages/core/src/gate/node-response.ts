/** Writes to responses of Node by what all of them have, whatever framework they belong to (RFC 9110 §6). */

import { isTargetedCacheControl, stricter } from '../answer/cache-headers.ts'
import type { Answer, RequiredHeaders } from '../model/decision.ts'
import type { NodeRequest } from '../request/node.ts'

/** What is used of a response of `node:http`, or of the compatibility API of `node:http2`. */
export interface NodeResponse {
  statusCode: number
  readonly headersSent: boolean
  getHeader(name: string): number | string | readonly string[] | undefined
  getHeaderNames(): readonly string[]
  setHeader(name: string, value: string | readonly string[]): unknown
  removeHeader(name: string): void
  writeHead(...args: never[]): unknown
  end(body: string): unknown
}

/**
 * Middleware for any host that calls it with a request and a response of Node.
 * @param next is called if the request may pass; with an error only if `onDenied` is `next`, or a CORS middleware failed
 */
export type NodeHandler = (
  request: NodeRequest,
  response: NodeResponse,
  next: (cause?: Error) => void,
) => void

const EXPOSED = 'Access-Control-Expose-Headers'

/** Sends an answer, unless somebody else has sent one. What another middleware exposes to scripts stays exposed. */
export function sendAnswer(response: NodeResponse, { status, headers, body }: Answer): void {
  if (response.headersSent) return
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) {
    const before = name === EXPOSED ? textOf(response.getHeader(name)) : undefined
    response.setHeader(name, before === undefined ? value : `${before}, ${value}`)
  }
  response.end(body)
}

/**
 * Makes the answer to an allowed request carry `decision.headers`, whatever the handler sets: the stricter value wins.
 * The handler may set its headers until they are sent, so they are merged then.
 */
export function forceHeaders(response: NodeResponse, headers: RequiredHeaders): void {
  const { writeHead } = response
  const names = Object.keys(headers).map((name) => name.toLowerCase())
  const isAffected = (name: string) => names.includes(name.toLowerCase()) || isTargetedCacheControl(name)
  response.writeHead = (...args) => {
    const written = new Map<string, string>()
    const others = args.map((arg) => without(arg, isAffected, written))
    for (const name of response.getHeaderNames())
      if (isTargetedCacheControl(name)) response.removeHeader(name)
    for (const [name, value] of Object.entries(headers)) {
      const given = written.get(name.toLowerCase()) ?? textOf(response.getHeader(name))
      response.setHeader(name, stricter(name, value, given))
    }
    return writeHead.apply(response, others as never[])
  }
}

/**
 * The headers that `writeHead` is given, as an object or as a list of names and values, without those that are affected,
 * which are kept in `written`.
 */
function without(
  given: unknown,
  isAffected: (name: string) => boolean,
  written: Map<string, string>,
): unknown {
  const isOther = (name: unknown, value: unknown) => {
    if (!isAffected(String(name))) return true
    const key = String(name).toLowerCase()
    const before = written.get(key)
    written.set(key, before === undefined ? (textOf(value) ?? '') : `${before}, ${textOf(value)}`)
    return false
  }
  if (Array.isArray(given)) {
    if (Array.isArray(given[0])) return given.filter(([name, value]) => isOther(name, value))
    const pairs = Array.from({ length: Math.ceil(given.length / 2) }, (_, index) =>
      given.slice(2 * index, 2 * index + 2),
    )
    return pairs.filter(([name, value]) => isOther(name, value)).flat()
  }
  if (typeof given !== 'object' || given === null) return given
  return Object.fromEntries(Object.entries(given).filter(([name, value]) => isOther(name, value)))
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : [value].flat().join(', ')
}
