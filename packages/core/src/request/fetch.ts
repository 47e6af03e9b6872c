/** Requests of the Fetch standard, whose `Headers` join several field lines with a comma (Fetch §2.2.1). */

import { UnavailableError } from '../model/unavailable.ts'

/** The longest form body of a fetch `Request` that is read for a token, in bytes. */
export const MAX_FORM = 262_144

export class FetchRequestLike {
  readonly #request: Request

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

  /** Some hosts give every request but GET and HEAD a body, if only an empty one. A body that was sent has a type. */
  get hasBody(): boolean {
    const { body, headers } = this.#request
    return body !== null && body !== undefined && headers.has('content-type')
  }

  /** Read from a clone: the handler finds the body as it came. */
  async form(): Promise<URLSearchParams | undefined> {
    if (this.#request.bodyUsed || this.#request.body === null) return undefined
    const reader = this.#request.clone().body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    let length = 0
    while (reader !== undefined) {
      const { done, value } = await reader.read()
      if (done) break
      length += value.byteLength
      if (length > MAX_FORM) {
        void reader.cancel().catch(() => {})
        throw new FormTooLong()
      }
      text += decoder.decode(value, { stream: true })
    }
    return new URLSearchParams(text + decoder.decode())
  }
}

/** A form is longer than what is read of one. */
export class FormTooLong extends UnavailableError {
  constructor() {
    super(`The form is longer than ${MAX_FORM} bytes`)
  }
}
