/** Sends requests on Node by default: with a client of this project, unless the application changed how `fetch` connects. */

import { isObject } from '../lib/json.ts'
import { fetchOver, getBuiltinModule, withoutProtocol } from './client.node.ts'
import type { Fetch } from './fetch-json.ts'
import { LostConnectionError } from './lost-connection.ts'

const own = fetchOver({
  'http:': (settings) => new (getBuiltinModule('node:http').Agent)(settings),
  'https:': (settings) => new (getBuiltinModule('node:https').Agent)(settings),
})

/**
 * Sends a request over HTTP/1.1. It does not use `fetch`, which has no option for a new connection. Over HTTP/2, `fetch` also
 * goes on using a connection on which no response came.
 *
 * `globalThis.fetch` is used if the application replaced it, as tests do, or its dispatcher, as for a proxy or a private CA,
 * and if the server does not speak HTTP/1.1.
 */
export const runtimeFetch: Fetch = async (url, init) => {
  if (isReplaced()) return replaced(url, init)
  try {
    const response = await own(url, init)
    if (response.status !== 403 || !withoutProtocol.has(response)) return response
    // A Node server that speaks only HTTP/2 answers like this. So may any old server, whose answer then counts.
    return await replaced(url, init).catch(() => response)
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== NO_PROTOCOL) throw cause
    return replaced(url, init)
  }
}

/** The code of the error if the server does not speak HTTP/1.1 (RFC 7301 §3.2). */
const NO_PROTOCOL = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'
/** The codes of errors of a connection that was open, by undici and by Node. */
const CLOSED: readonly unknown[] = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']

/** Sends a request by `globalThis.fetch`. Recognizes lost connections by the codes of undici and Node. */
async function replaced(url: string, init: RequestInit): Promise<Response> {
  try {
    return await globalThis.fetch(url, init)
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } }
    throw !init.signal?.aborted && CLOSED.includes(cause?.code) ? new LostConnectionError(error) : error
  }
}

/** The symbols under which the versions of undici keep the dispatcher of `fetch`. */
const DISPATCHERS = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')]

/** Whether the application replaced `fetch`, or configured its dispatcher. Then its settings must not be bypassed. */
function isReplaced(): boolean {
  const dispatchers = DISPATCHERS.map((symbol) => (globalThis as Record<symbol, unknown>)[symbol])
  return !isBuiltIn(globalThis.fetch) || !dispatchers.every(isDefault)
}

/** Whether a function is Node's own `fetch`. Only its source text tells. */
function isBuiltIn(fetch: unknown): boolean {
  return typeof fetch === 'function' && String(fetch).includes('internal/deps/undici')
}

/** Whether a dispatcher is the default one, which undici creates when it is loaded: an agent without settings. */
function isDefault(dispatcher: unknown): boolean {
  if (typeof dispatcher !== 'object' || dispatcher === null) return dispatcher === undefined
  const { name } = dispatcher.constructor
  // This wrapper forwards everything to the other dispatcher.
  if (name === 'Dispatcher1Wrapper') return true
  const { options, factory } = internals(dispatcher)
  const isPlain = (setting: unknown) => setting === undefined || setting === Number.POSITIVE_INFINITY
  return (
    name === 'Agent' &&
    typeof factory === 'function' &&
    factory.name === 'defaultFactory' &&
    isObject(options) &&
    Object.values(options).every(isPlain)
  )
}

/** The members that an object of undici keeps under symbols, by their descriptions. */
function internals(object: object): Readonly<Record<string, unknown>> {
  const symbols = Object.getOwnPropertySymbols(object)
  return Object.fromEntries(
    symbols.map((symbol) => [symbol.description, (object as Record<symbol, unknown>)[symbol]]),
  )
}
