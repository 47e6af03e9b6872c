/** Answers CORS preflights, in which a browser asks without credentials if it may send the real request (Fetch §4.8). */

import { assertStrings, assertWholeSeconds, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { isFieldName } from '../lib/syntax.ts'
import type { Preflight } from '../model/decision.ts'
import type { Seconds } from '../model/units.ts'
import type { RequestLike } from '../request/request.ts'

/**
 * How the gate answers preflights. Browsers also require `Access-Control-Allow-Origin` on the answers to the real requests,
 * rejections included. Let a CORS middleware or a proxy in front of the gate add it.
 */
export interface PreflightPolicy {
  /** The methods that scripts may use, such as `['GET', 'POST']`. */
  methods: readonly string[]
  /** The header fields that scripts may send. Default `['Authorization', 'Content-Type']`. */
  headers?: readonly string[] | undefined
  /** The origins that are allowed, such as `['https://app.example.com']`. Default `'*'`: all of them. */
  origins?: '*' | readonly string[] | undefined
  /** How long a browser may cache the answer. In seconds, 0–86,400. Default 600. Browsers have lower limits of their own. */
  maxAge?: Seconds | undefined
}

/**
 * A CORS middleware of the host: `(req, res, next)` on Express, `(ctx, next)` on Koa, `(request) => Response` for
 * `protect`, `(event) => result` on Lambda.
 */
export type CorsMiddleware = (...args: never[]) => unknown

/** Answers one preflight. */
export type AnswerPreflight = (request: RequestLike) => Preflight

/**
 * Reads the option `allowPreflight` of a gate.
 * @throws TypeError if a member is unknown, missing or impossible
 */
export function preflightAnswer(option: PreflightPolicy | CorsMiddleware): AnswerPreflight {
  if (typeof option === 'function') {
    const empty = preflight({})
    return () => empty
  }
  const read = readOptions('allowPreflight', option, ['methods', 'headers', 'origins', 'maxAge'])
  // Browsers send methods in upper case.
  const methods = names('allowPreflight.methods', read.methods).toUpperCase()
  const headers = names('allowPreflight.headers', read.headers ?? ['Authorization', 'Content-Type'])
  const origins = read.origins === undefined || read.origins === '*' ? '*' : originsOf(read.origins)
  const maxAge = assertWholeSeconds('allowPreflight.maxAge', read.maxAge, {
    preset: 600,
    min: 0,
    max: 86_400,
  })
  const allowed = {
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': headers,
    'Access-Control-Max-Age': String(maxAge),
  }
  if (origins === '*') {
    const open = preflight({ 'Access-Control-Allow-Origin': '*', ...allowed })
    return () => open
  }
  const other = preflight({ Vary: 'Origin' })
  const byOrigin = new Map(
    origins.map((origin) => [
      origin,
      preflight({ 'Access-Control-Allow-Origin': origin, ...allowed, Vary: 'Origin' }),
    ]),
  )
  return (request) => byOrigin.get(String(request.header('origin'))) ?? other
}

/** Creates the outcome of a preflight. It is created once per origin, because anyone can send any number of preflights. */
function preflight(fields: Readonly<Record<string, string>>): Preflight {
  const headers = Object.freeze({ ...fields })
  return Object.freeze({
    ok: false as const,
    status: 204 as const,
    headers,
    body: Object.freeze({}),
    content: '',
    reason: 'preflight' as const,
    toResponse: () => new Response(null, { status: 204, headers }),
  })
}

/** Checks an option that is a list of methods or header fields, and returns it as one line. */
function names(option: string, value: unknown): string {
  const list = assertStrings(option, value)
  if (!list.every(isFieldName))
    throw configurationError(
      'INVALID_OPTION',
      `"${option}" must be an array of names, such as ['GET', 'POST'] (RFC 9110 §5.6.2)`,
    )
  return list.join(', ')
}

/** Checks the option `origins`. Each must be written as browsers send it in `Origin`, because they are compared exactly. */
function originsOf(value: unknown): readonly string[] {
  const list = assertStrings('allowPreflight.origins', value)
  for (const origin of list)
    if (origin.includes('*') || !URL.canParse(origin) || new URL(origin).origin !== origin)
      throw configurationError(
        'INVALID_OPTION',
        `"allowPreflight.origins" must be "*" or an array of origins, such as "https://app.example.com", not ${JSON.stringify(origin)}`,
      )
  return list
}

/**
 * Whether a request is a preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, and nothing that a
 * browser leaves out of a preflight: credentials, cookies and a body (Fetch §4.8).
 */
export function isPreflight(request: RequestLike): boolean {
  return (
    request.method === 'OPTIONS' &&
    typeof request.header('origin') === 'string' &&
    typeof request.header('access-control-request-method') === 'string' &&
    request.header('authorization') === undefined &&
    request.header('cookie') === undefined &&
    !hasBody(request)
  )
}

/** Whether a request has a body. A browser sends no body with a preflight, so such a request comes from another client. */
function hasBody(request: RequestLike): boolean {
  if (request.hasBody === true || request.header('transfer-encoding') !== undefined) return true
  const length = request.header('content-length')
  return length !== undefined && length !== '0'
}
