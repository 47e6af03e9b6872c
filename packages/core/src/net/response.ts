/**
 * Reads responses of any `fetch` that an application passes, also those whose bodies are streams of Node, as in node-fetch.
 *
 * Such implementations differ from the standard in small ways. Those that can be handled are handled. For the others, an
 * error names the option `fetch`, because a bare `TypeError` from here would look like a failure of the issuer.
 */

import { ignoreRejection } from '../lib/promise.ts'
import { UnavailableError } from '../model/unavailable.ts'

/** The bodies that implementations of `fetch` have: a stream of the Fetch standard, or anything that can be iterated. */
type Body = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null | undefined

/** Reads a body chunk by chunk. */
interface Chunks {
  /** Returns the next chunk. `value` is unknown, because it comes from the application's `fetch`. */
  read(): Promise<{ done?: boolean | undefined; value?: unknown }>
  /** Stops reading, and lets the connection close. */
  cancel(): void
}

/** The error for a `fetch` that does not keep to the Fetch standard. It names the option, and what is wrong. */
export function notStandard(found: string): UnavailableError {
  return new UnavailableError(
    `The function in "fetch" must return a Response of the Fetch standard, but returned ${found}: use globalThis.fetch, or the fetch of undici`,
  )
}

/**
 * Checks that a value has the members of a `Response` that are read.
 * @throws UnavailableError if a status or headers are missing
 */
export function assertResponse(response: Response): void {
  if (typeof response !== 'object' || response === null) throw notStandard('no object')
  if (typeof response.status !== 'number') throw notStandard('an object without "status"')
  if (typeof response.headers?.get !== 'function') throw notStandard('an object without "headers.get"')
}

/**
 * Returns the chunks of a body, for each kind of body that implementations of `fetch` have.
 * @throws UnavailableError if the body is of no known kind
 */
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

/** Whether a value is an array of bytes. `instanceof` would fail in Jest, where the runtime's arrays are of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value)
}

/** Ignores the errors of a stream of Node. An error without a listener, such as an abort after the end, ends the process. */
function ignoreErrors(body: object | null | undefined): void {
  const stream = body as { on?(event: string, listener: () => void): unknown } | null | undefined
  if (typeof stream?.on === 'function') stream.on('error', () => {})
}

/** Reads a body that is no stream as one chunk. Some implementations, such as polyfills, have only `arrayBuffer()`. */
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

/** Discards a body that is not read, so that its connection can be used again or closed. Never throws. */
export function discard({ body }: Response): void {
  const stream = body as { cancel?(): unknown; destroy?(): unknown } | null | undefined
  try {
    ignoreErrors(body)
    if (typeof stream?.cancel === 'function') ignoreRejection(stream.cancel())
    else stream?.destroy?.()
  } catch {}
}
