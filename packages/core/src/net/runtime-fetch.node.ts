/** What requests are sent with by default on Node: a client of our own, unless the application changed how `fetch` connects. */

import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { fetchOver } from './client.node.ts'
import type { Fetch } from './fetch-json.ts'
import { LostConnectionError } from './lost-connection.ts'

const own = fetchOver({
  'http:': (settings) => new HttpAgent(settings),
  'https:': (settings) => new HttpsAgent(settings),
})

/**
 * Sends a request over HTTP/1.1. `fetch` cannot be told to open a new connection, and over HTTP/2 it uses a connection
 * again that no answer came from.
 *
 * `globalThis.fetch` is used if the application replaced it, as tests do, or its dispatcher, as for a proxy or a private CA.
 */
export const runtimeFetch: Fetch = (url, init) => (isReplaced() ? replaced(url, init) : own(url, init))

/** The codes of errors of a connection that was open, by undici and by Node. */
const CLOSED: readonly unknown[] = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']

async function replaced(url: string, init: RequestInit): Promise<Response> {
  try {
    return await globalThis.fetch(url, init)
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } }
    throw !init.signal?.aborted && CLOSED.includes(cause?.code) ? new LostConnectionError(error) : error
  }
}

/** Where undici keeps the dispatcher of `fetch`, by its version. */
const DISPATCHERS = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')]
/** The module of `fetch` and its dispatcher within Node. */
const BUILT_IN = 'internal/deps/undici'

function isReplaced(): boolean {
  const dispatchers = DISPATCHERS.map((symbol) => (globalThis as Record<symbol, unknown>)[symbol])
  return !isBuiltInFetch(globalThis.fetch) || !dispatchers.every(isDefault)
}

const fetches = new WeakMap<object, boolean>()

function isBuiltInFetch(fetch: unknown): boolean {
  return typeof fetch === 'function' && remember(fetches, fetch, () => String(fetch).includes(BUILT_IN))
}

const defaults = new WeakMap<object, boolean>()

/** Whether a dispatcher is the one that Node makes itself. Node sets it when `fetch` is first used. */
function isDefault(dispatcher: unknown): boolean {
  if (typeof dispatcher !== 'object' || dispatcher === null) return dispatcher === undefined
  return remember(defaults, dispatcher, () => {
    const { constructor: Kind } = dispatcher
    if (Kind.name !== 'Agent' && Kind.name !== 'Dispatcher1Wrapper') return false
    // Its class is the only sign of where it comes from, and only errors tell where a class was made.
    try {
      return new (Kind as new (options: object) => object)({ factory: null }) && false
    } catch (error) {
      return String((error as Error).stack).includes(BUILT_IN)
    }
  })
}

function remember(known: WeakMap<object, boolean>, key: object, find: () => boolean): boolean {
  const found = known.get(key) ?? find()
  known.set(key, found)
  return found
}
