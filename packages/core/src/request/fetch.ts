/** Requests of the Fetch standard, whose `Headers` join several field lines with a comma (Fetch §2.2.1). */

import { FORM_ABORTED, FORM_TOO_LONG, MAX_FORM, type UnreadableForm } from './form.ts'

type Form = URLSearchParams | UnreadableForm | undefined
type Maybe<T> = T | Promise<T>

/** The view of a fetch `Request`. */
export class FetchRequestLike {
  readonly #request: Request
  #form: Form

  constructor(request: Request) {
    this.#request = request
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
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

  /** Reads a clone, so that the handler can read the body. At once if it was read before. */
  form(): Maybe<Form> {
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
