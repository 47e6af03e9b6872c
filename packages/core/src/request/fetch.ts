/** Requests of the Fetch standard, whose `Headers` join several field lines with a comma (Fetch §2.2.1). */

import { FORM_ABORTED, FORM_TOO_LONG, MAX_FORM, type UnreadableForm } from './form.ts'

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}

/** The view of a fetch `Request`. */
export class FetchRequestLike {
  readonly #request: Request

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

  /** Reads a clone, so that the handler can read the body. */
  async form(): Promise<URLSearchParams | UnreadableForm | undefined> {
    if (this.#request.bodyUsed || this.#request.body === null) return undefined
    const reader = this.#request.clone().body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    let length = 0
    while (reader !== undefined) {
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
