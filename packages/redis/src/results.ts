/** A store in which processes share results of introspection and lookups, on Redis. */

import {
  type NewAnswer,
  type ResultStore,
  type SharedAnswer,
  type StoredAnswer,
  UnavailableError,
} from '@bearergate/core'
import type { RedisClient } from './connection.ts'
import { assertChoice, assertListener, assertSecret, assertText, readOptions, secondsOf } from './options.ts'
import { Seal } from './seal.ts'
import { SilenceError, within } from './within.ts'

/** A change of the store of results, passed to `onResults`. It contains no token. */
export type ResultsEvent =
  /** Redis failed, or did not answer in time. Reported once until Redis works again. */
  | { readonly type: 'failed'; readonly cause: unknown }
  /** Redis works again. */
  | { readonly type: 'recovered' }
  /** Redis has an entry that was not stored with this `secret`. It is not used. */
  | { readonly type: 'invalid_entry' }

export interface RedisResultsOptions {
  /**
   * The name of the verifier, such as `introspection`. Use the same name in all processes, and another name for each verifier:
   * two verifiers with one name would use each other's results. The Redis keys contain the name.
   */
  name: string
  /**
   * The secret that authenticates the stored results, as text or bytes. At least 32 bytes. The same in all processes.
   *
   * Without it, anyone who can write to this Redis could make the gate accept any token.
   */
  secret: string | Uint8Array
  /** How long one command of Redis may take. In seconds, 0.01 to 5. Default 0.1. */
  timeout?: number | undefined
  /**
   * The behaviour while Redis fails. `ask` (default): each process obtains its own results, as it would without a store.
   * `reject`: the answer is 503 for a token that is not in the cache of the process. Choose that if the authorization server
   * cannot take the load.
   */
  ifUnavailable?: 'ask' | 'reject' | undefined
  /** Called when the state of the store changes. Default: none. */
  onResults?: ((event: ResultsEvent) => void) | undefined
}

/**
 * How long a reservation lasts if the process that has it ends, and how often that process renews it while it asks. In
 * milliseconds.
 */
const RESERVED_FOR = 1000
const RENEWED_EVERY = 300
/** How long a process waits for the answer of another one. In milliseconds. After that, it asks as well. */
const MAX_WAIT = 3000
/** The pause between two looks for the answer that another process is asking for. In milliseconds. */
const PAUSE = { first: 5, longest: 40 }
/** How long Redis is left alone after it did not answer. In milliseconds. Otherwise each request would wait for `timeout`. */
const REST = 1000
/** How much the clock of another process may be ahead. In milliseconds. A larger difference would make old answers look new. */
const MAX_AHEAD = 1000

/**
 * Creates a store in which all processes with the same Redis share the results of `introspection` or `opaque`: one process asks
 * about a token, and the others use its answer. The cache of each process is still asked first, so a known token needs no round
 * trip. While one process asks, the others wait for its answer, for at most three seconds.
 *
 * Redis contains the claims of tokens, but never a token, and the keys are hashes. An entry ends at `ttl`, or earlier if the token
 * expires.
 *
 * @example
 * const store = redisResults(client, { name: 'introspection', secret: process.env.RESULTS_SECRET ?? '' })
 * const verifier = introspection({ issuer, clientId, clientSecret, audience, cache: { ttl: 30, store } })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function redisResults(client: RedisClient, options: RedisResultsOptions): ResultStore {
  return new RedisResults(client, options)
}

interface Entry {
  readonly answer: SharedAnswer
  /** In milliseconds since the epoch. */
  readonly askedAt: number
}

const NAMES = ['name', 'secret', 'timeout', 'ifUnavailable', 'onResults'] as const

class RedisResults implements ResultStore {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #seal: Seal
  readonly #timeout: number
  readonly #mayAsk: boolean
  readonly #onResults: ((event: ResultsEvent) => void) | undefined
  #isFailing = false
  /** When Redis may be used again after it did not answer, by the monotonic clock. In milliseconds. */
  #restsUntil = 0

  constructor(client: RedisClient, options: RedisResultsOptions) {
    const read = readOptions('redisResults', client, options, NAMES)
    this.#client = client
    this.#prefix = `bearergate:results:${assertText('name', read.name)}:`
    this.#seal = new Seal(assertSecret(read.secret))
    this.#timeout = 1000 * secondsOf('timeout', read.timeout, { preset: 0.1, min: 0.01, max: 5 }, 'a number')
    this.#mayAsk = assertChoice('ifUnavailable', read.ifUnavailable, ['ask', 'reject']) === 'ask'
    this.#onResults = assertListener('onResults', read.onResults)
  }

  async find(name: string, ask: () => Promise<NewAnswer>): Promise<StoredAnswer> {
    const key = this.#prefix + this.#seal.nameOf(name)
    try {
      const stored = await this.#wait(key)
      if (stored !== undefined) return stored
    } catch (cause) {
      if (!this.#mayAsk) throw new UnavailableError('Redis has no results', { cause })
    }
    return { answer: await this.#ask(key, ask), age: 0 }
  }

  describe(): object {
    return { kind: 'redis', isAvailable: !this.#isFailing }
  }

  /**
   * Returns the stored answer. If another process is asking, waits for its answer. `undefined` if this process should ask.
   * @throws Error if Redis fails
   */
  async #wait(key: string): Promise<StoredAnswer | undefined> {
    const end = performance.now() + MAX_WAIT
    for (let pause = PAUSE.first; ; pause = Math.min(2 * pause, PAUSE.longest)) {
      const stored = await this.#get(key)
      if (stored !== undefined) return stored
      if ((await this.#reserve(key, 'NX')) !== null || performance.now() >= end) return undefined
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  /** Reserves the question (`NX`), or renews the reservation (`XX`). Returns `null` if another process has it, or it has ended. */
  #reserve(key: string, condition: 'NX' | 'XX'): Promise<unknown> {
    const expiration = { type: 'PX' as const, value: RESERVED_FOR }
    return this.#try(() => this.#client.set(`${key}:asking`, '1', { condition, expiration }))
  }

  async #get(key: string): Promise<StoredAnswer | undefined> {
    const text = await this.#try(() => this.#client.get(key))
    if (typeof text !== 'string') return undefined
    const entry = this.#seal.open(key, text) as Entry | undefined
    if (entry === undefined) {
      this.#notify({ type: 'invalid_entry' })
      return undefined
    }
    const age = Date.now() - entry.askedAt
    return age < -MAX_AHEAD ? undefined : { answer: entry.answer, age: Math.max(0, age) / 1000 }
  }

  /** Asks, and stores the answer in the background. If there is nothing to store, another process may ask at once. */
  async #ask(key: string, ask: () => Promise<NewAnswer>): Promise<SharedAnswer> {
    const askedAt = Date.now()
    let value = 0
    const renew = () => this.#reserve(key, 'XX').catch(() => {})
    const renewing = setInterval(renew, RENEWED_EVERY).unref()
    try {
      const { answer, lifetime } = await ask()
      value = Math.floor(lifetime * 1000)
      if (value > 0) {
        const text = this.#seal.close(key, { answer, askedAt } satisfies Entry)
        this.#inBackground(() => this.#client.set(key, text, { expiration: { type: 'PX', value } }))
      }
      return answer
    } finally {
      clearInterval(renewing)
      if (value <= 0) this.#inBackground(() => this.#client.del(`${key}:asking`))
    }
  }

  #inBackground(command: () => Promise<unknown>): void {
    this.#try(command).catch(() => {}) // It is reported.
  }

  /** @throws Error if Redis fails, or did not answer a moment ago */
  async #try<T>(command: () => Promise<T>): Promise<T> {
    if (performance.now() < this.#restsUntil) throw new Error('Redis did not answer a moment ago')
    try {
      const result = await within(command(), this.#timeout)
      if (this.#isFailing) this.#notify({ type: 'recovered' })
      this.#isFailing = false
      return result
    } catch (cause) {
      if (cause instanceof SilenceError) this.#restsUntil = performance.now() + REST
      if (!this.#isFailing) this.#notify({ type: 'failed', cause })
      this.#isFailing = true
      throw cause
    }
  }

  #notify(event: ResultsEvent): void {
    try {
      this.#onResults?.(event)
    } catch {} // A listener must not decide about requests.
  }
}
