/** Names and authenticates stored answers, so that Redis contains no token, and cannot make a gate accept one. */

import { createHmac, timingSafeEqual } from 'node:crypto'

/** The length of a SHA-256 in base64url. */
const MAC_LENGTH = 43

/** Computes names and authentication codes by HMAC-SHA-256 with the secret of the user. Each has a prefix of its own. */
export class Seal {
  readonly #secret: string | Uint8Array

  constructor(secret: string | Uint8Array) {
    this.#secret = typeof secret === 'string' ? secret : secret.slice()
  }

  /** Returns the name of an answer. Only with the secret one can tell which token it belongs to. */
  nameOf(text: string): string {
    return this.#mac(`name\n${text}`)
  }

  /** Returns the text to store under a key. */
  close(key: string, value: unknown): string {
    const json = JSON.stringify(value)
    return this.#mac(`value\n${key}\n${json}`) + json
  }

  /** Returns the value of a stored text. `undefined` if another secret, another key or another value was used for it. */
  open(key: string, text: string): unknown {
    const json = text.slice(MAC_LENGTH)
    const [given, wanted] = [text.slice(0, MAC_LENGTH), this.#mac(`value\n${key}\n${json}`)].map((mac) =>
      Buffer.from(mac),
    ) as [Buffer, Buffer]
    return given.length === wanted.length && timingSafeEqual(given, wanted) ? JSON.parse(json) : undefined
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url')
  }
}
