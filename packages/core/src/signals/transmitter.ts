/** Sends polls to a transmitter of security event tokens, and reads its responses (RFC 8936 §2). */

import { raceAbort } from '../lib/abort.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import { type SecureUrl, withoutQuery } from '../lib/url.ts'
import { MistakeError, UnavailableError } from '../model/unavailable.ts'
import { type Fetch, TooLongAnswer, UnusableAnswer } from '../net/fetch-json.ts'
import { postJson } from '../net/post-json.ts'
import type { Report } from './acknowledgements.ts'

/** Returns the value of the `Authorization` header. */
export type Authorization = () => string | PromiseLike<string>

export interface TransmitterSettings {
  readonly endpoint: SecureUrl
  readonly authorization: string | Authorization | undefined
  readonly maxEvents: number
  readonly fetch: Fetch
}

/** One poll. */
export interface Poll {
  /** The outcomes of earlier tokens. */
  readonly report: Report
  readonly returnImmediately: boolean
  readonly signal: AbortSignal
}

/** The tokens of a response, by their names. A value that is no string is an error of this token only. */
export interface Delivery {
  readonly sets: readonly (readonly [name: string, text: unknown])[]
  /** Whether there are more tokens now, in the response or at the transmitter. */
  readonly moreAvailable: boolean
  /** Whether the response was too long, so that its tokens are not known, and the next poll asks for fewer. Default `false`. */
  readonly isTooLong?: boolean
}

/** Some transmitters answer these, without a body, if no token was asked for. */
const WITHOUT_BODY: readonly number[] = [202, 204]

/** Up to this length, in characters, a response with twice as many tokens can probably be read. Half of what is read. */
const HALF_FULL = 131_072

/** The error for a response that was too long to be read. The next poll asks for fewer tokens, so it can be sent at once. */
export class TooManyTokensError extends UnavailableError {}

export class Transmitter {
  readonly #settings: TransmitterSettings
  /** How many tokens the next poll asks for. Fewer than configured after a response that was too long. */
  #maxEvents: number

  constructor(settings: TransmitterSettings) {
    this.#settings = settings
    this.#maxEvents = settings.maxEvents
  }

  /**
   * Asks for tokens.
   * @throws TooManyTokensError if the response is too long, and the next poll asks for fewer tokens
   * @throws UnavailableError if the response cannot be used, there is none in time, or the function for the header fails
   */
  async poll({ report, returnImmediately, signal }: Poll): Promise<Delivery> {
    const maxEvents = this.#maxEvents
    try {
      const body = await this.#post({ maxEvents, returnImmediately }, report, signal)
      const sets = getOwn(body, 'sets')
      if (!isObject(sets))
        throw new UnusableAnswer(
          `${this.#place} must answer with an object "sets" (RFC 8936 §2.3), but "sets" is ${received(sets)}`,
        )
      const all = Object.entries(sets)
      const moreAvailable = getOwn(body, 'moreAvailable') === true || all.length > maxEvents
      this.#grow(sets, moreAvailable)
      // A transmitter that sends more than it was asked for gets no answer about the rest, and sends it again.
      return { sets: all.slice(0, maxEvents), moreAvailable }
    } catch (cause) {
      if (!(cause instanceof TooLongAnswer) || maxEvents === 1) throw cause
      // With the same number of tokens, the next response would be too long, too.
      this.#maxEvents = Math.floor(maxEvents / 2)
      throw new TooManyTokensError(cause.message, { cause })
    }
  }

  /**
   * Asks for more tokens again after a response that could be read. With more tokens waiting, only if they will probably fit:
   * otherwise every second response would be too long.
   */
  #grow(sets: object, moreAvailable: boolean): void {
    const { maxEvents } = this.#settings
    if (!moreAvailable) this.#maxEvents = maxEvents
    else if (this.#maxEvents < maxEvents && JSON.stringify(sets).length <= HALF_FULL)
      this.#maxEvents = Math.min(maxEvents, 2 * this.#maxEvents)
  }

  /**
   * Reports outcomes without asking for tokens (RFC 8936 §2.4.2).
   * @throws UnavailableError like `poll`
   */
  async acknowledge(report: Report, signal: AbortSignal): Promise<void> {
    await this.#post({ maxEvents: 0, returnImmediately: true }, report, signal, WITHOUT_BODY)
  }

  async #post(
    query: { readonly maxEvents: number; readonly returnImmediately: boolean },
    { ack, setErrs }: Report,
    signal: AbortSignal,
    readable: readonly number[] = [],
  ): Promise<Readonly<Record<string, unknown>>> {
    const { endpoint, authorization, fetch } = this.#settings
    const hasErrors = Object.keys(setErrs).length > 0
    const credentials = await this.#credentials(authorization, signal)
    const headers = {
      ...(credentials !== undefined && { authorization: credentials }),
      // The language of the descriptions (RFC 8936 §2.4.4).
      ...(hasErrors && { 'content-language': 'en' }),
    }
    const body = { ...query, ...(ack.length > 0 && { ack }), ...(hasErrors && { setErrs }) }
    return (await postJson(endpoint, { headers, body, fetch, signal, readable })).body
  }

  /** Never puts the value into an error, because it is a secret. */
  async #credentials(
    authorization: TransmitterSettings['authorization'],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (typeof authorization !== 'function') return authorization
    let value: unknown
    try {
      value = await raceAbort(Promise.resolve(authorization()), signal)
    } catch (cause) {
      if (signal.aborted) throw signal.reason
      throw new UnavailableError(`"authorization" failed, so ${this.#place} was not polled`, { cause })
    }
    if (isFieldValue(value)) return value
    throw new MistakeError(
      `"authorization" must return the value of the Authorization header, but returned ${received(value)}`,
    )
  }

  get #place(): string {
    return withoutQuery(this.#settings.endpoint)
  }
}

/** Whether a value can be sent in a header: printable ASCII, without a space or a line break at either end. */
export function isFieldValue(value: unknown): value is string {
  return typeof value === 'string' && /^[!-~](?:[ -~]*[!-~])?$/.test(value)
}
