/**
 * Reads requests of the Fetch standard, as in Workers, Deno, Bun and Hono.
 *
 * `Headers` joins several field lines with a comma (Fetch §2.2.1), so two `Authorization` lines arrive as one value. The
 * extraction recognizes them by the comma, which no token contains.
 */

import { FORM_ABORTED, FORM_TOO_LONG, MAX_FORM, type UnreadableForm } from './form.ts'

type Form = URLSearchParams | UnreadableForm | undefined

/** Returns host and port of a URL, or `undefined` if a host gave the request a relative one. */
function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}

/** Presents a fetch `Request` as a `RequestLike`. It reads members only when they are needed, because getters cost time. */
export class FetchRequestLike {
  readonly #request: Request
  #form: Form

  constructor(request: Request) {
    this.#request = request
  }

  header(name: string): string | undefined {
    const value = this.#request.headers.get(name) ?? undefined
    // Over HTTP/2 there is no such field: runtimes have the host in the URL only (RFC 9113 §8.3.1).
    return value === undefined && name === 'host' ? hostOf(this.#request.url) : value
  }

  get method(): string {
    return this.#request.method
  }

  get url(): string {
    return this.#request.url
  }

  /** Some hosts give an empty body to every request except GET and HEAD. A body that a client sent has a type. */
  get hasBody(): boolean {
    const { body, headers } = this.#request
    return body !== null && body !== undefined && headers.has('content-type')
  }

  /**
   * Reads a clone of the body, so that the handler can read the body itself. Stops after 262,144 bytes: a clone keeps in memory
   * what the handler has not read yet, and the client could send any amount without a token. Returns the result at once if
   * it was read before.
   * @returns `undefined` if the body was read before, or there is none
   */
  form(): Form | Promise<Form> {
    return this.#form ?? this.#read()
  }

  async #read(): Promise<Form> {
    const form = await this.#parse()
    this.#form = form
    return form
  }

  async #parse(): Promise<Form> {
    if (this.#request.bodyUsed || this.#request.body === null) return undefined
    const reader = this.#request.clone().body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    let length = 0
    while (reader !== undefined) {
      // Reading fails if the client closed the connection. That is not our fault, so it must not become a 503.
      const chunk = await reader.read().catch(() => undefined)
      if (chunk === undefined) return FORM_ABORTED
      if (chunk.done) break
      length += chunk.value.byteLength
      if (length > MAX_FORM) {
        void reader.cancel().catch(() => {})
        return FORM_TOO_LONG
      }
      text += decoder.decode(chunk.value, { stream: true })
    }
    return new URLSearchParams(text + decoder.decode())
  }
}
