/** Sends requests by default on runtimes other than Node: with the runtime's `fetch`, and its options for connections. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'
import type { Fetch } from './fetch-json.ts'
import { LostConnectionError } from './lost-connection.ts'

/** Connections of Deno's `fetch`. */
interface DenoClient {
  close(): void
}

interface DenoGlobal {
  readonly Deno?: { readonly createHttpClient?: (options: object) => DenoClient }
}

/** How long no kept connection is used after one was lost. In seconds. By then the runtime has closed those that were idle. */
const DISTRUSTED_FOR: Seconds = 300

let distrustedUntil: Seconds = 0
let keptByDeno: DenoClient | undefined

/** Stops using the kept connections. After one was lost, the others are probably dead as well. */
function distrust(): void {
  distrustedUntil = monotonic() + DISTRUSTED_FOR
  keptByDeno?.close()
  keptByDeno = undefined
}

/**
 * Sends a request. With `connection: close` in its headers, or after another request was aborted or failed, it has a new
 * connection: on Deno by a client of its own, on Bun by `keepalive`. Other runtimes decide that themselves.
 * @throws LostConnectionError if it fails before a response. Such a runtime does not say whether a connection was open
 */
export const runtimeFetch: Fetch = async (url, init) => {
  const { signal } = init
  const isNew = new Headers(init.headers).get('connection') === 'close'
  const create = (globalThis as DenoGlobal).Deno?.createHttpClient
  signal?.addEventListener('abort', distrust)
  try {
    if (create !== undefined) return await overDeno(url, init, isNew, create)
    const useKept = !isNew && monotonic() >= distrustedUntil
    return await globalThis.fetch(url, useKept ? init : { ...init, keepalive: false })
  } catch (cause) {
    if (signal?.aborted) throw cause
    distrust()
    throw new LostConnectionError(cause)
  }
}

/** Sends a request on Deno, whose connections belong to a client. A new client means a new connection. */
async function overDeno(
  url: string,
  init: RequestInit,
  isNew: boolean,
  create: (options: object) => DenoClient,
): Promise<Response> {
  const client = isNew || keptByDeno === undefined ? create({}) : keptByDeno
  if (!isNew) keptByDeno = client
  try {
    return await globalThis.fetch(url, { ...init, client } as RequestInit)
  } finally {
    // Closes the client for further requests. The body of this one still arrives.
    if (isNew) client.close()
  }
}
