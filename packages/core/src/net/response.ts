/** Reads responses of any `fetch` that a user passes, also those whose bodies are streams of Node, such as node-fetch's. */

import { ignoreRejection } from '../lib/promise.ts'
import { UnavailableError } from '../model/unavailable.ts'

/** The bodies that implementations of `fetch` have: a stream of the Fetch standard, or anything that can be iterated. */
type Body = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null | undefined

interface Chunks {
  read(): Promise<{ done?: boolean | undefined; value?: unknown }>
  cancel(): void
}

/** The error for a `fetch` that does not keep to the Fetch standard. It names the option, and what is wrong. */
export function notStandard(found: string): UnavailableError {
  return new UnavailableError(
    `The function in "fetch" must return a Response of the Fetch standard, but returned ${found}: use globalThis.fetch, or the fetch of undici`,
  )
}

/** @throws UnavailableError if a status or headers are missing */
export function assertResponse(response: Response): void {
  if (typeof response !== 'object' || response === null) throw notStandard('no object')
  if (typeof response.status !== 'number') throw notStandard('an object without "status"')
  if (typeof response.headers?.get !== 'function') throw notStandard('an object without "headers.get"')
}

/** @throws UnavailableError if the body is of no known kind */
export function chunksOf(response: Response): Chunks {
  const body: Body = response.body
  if (body === null) return { read: async () => ({ done: true }), cancel: () => {} }
  if (body === undefined) return ofWhole(response)
  if ('getReader' in body) {
    const reader = body.getReader()
    return { read: () => reader.read(), cancel: () => ignoreRejection(reader.cancel()) }
  }
  if (typeof body[Symbol.asyncIterator] !== 'function') throw notStandard('a body that is no stream')
  ignoreErrors(body)
  const iterator = body[Symbol.asyncIterator]()
  return { read: () => iterator.next(), cancel: () => ignoreRejection(iterator.return?.()) }
}

/** Not by `instanceof`: in Jest, the runtime's bytes are of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value)
}

/** A stream of Node ends the process by an error that nobody hears, such as the abort of a request that is over. */
function ignoreErrors(body: object | null | undefined): void {
  const stream = body as { on?(event: string, listener: () => void): unknown } | null | undefined
  if (typeof stream?.on === 'function') stream.on('error', () => {})
}

/** Some implementations for browsers have no stream at all. */
function ofWhole(response: Response): Chunks {
  if (typeof response.arrayBuffer !== 'function') throw notStandard('neither "body" nor "arrayBuffer()"')
  let isRead = false
  return {
    async read() {
      if (isRead) return { done: true }
      isRead = true
      return { value: new Uint8Array(await response.arrayBuffer()) }
    },
    cancel: () => {},
  }
}

/** Gives up a body that is not read, so that its connection can be used again or closed. */
export function discard({ body }: Response): void {
  const stream = body as { cancel?(): unknown; destroy?(): unknown } | null | undefined
  try {
    ignoreErrors(body)
    if (typeof stream?.cancel === 'function') ignoreRejection(stream.cancel())
    else stream?.destroy?.()
  } catch {}
}
