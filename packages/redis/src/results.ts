/** A store in which processes share results of introspection and lookups, on Redis. */

import {
  type ResultQuestion,
  type ResultStore,
  type SharedAnswer,
  type StoredAnswer,
  UnavailableError,
} from '@bearergate/core'
import type { RedisClient } from './connection.ts'
import { Guard } from './guard.ts'
import { notify } from './notify.ts'
import { assertChoice, assertListener, assertSecret, assertText, readOptions, secondsOf } from './options.ts'
import { Seal } from './seal.ts'

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
/** The pause between two looks for the answer that another process is asking for. In milliseconds. */
const PAUSE = { first: 5, longest: 40 }
/**
 * How many requests of this process may wait for others at once. Further ones ask. Any client can make tokens wait, and each look
 * is work for Redis.
 */
const MAX_WAITING = 100
/** How much the clock of another process may be ahead. In milliseconds. A larger difference would make old answers look new. */
const MAX_AHEAD = 1000
/**
 * The largest entry. In bytes. Longer answers are not shared. Otherwise an attacker with access to Redis could fill the memory of
 * this process.
 */
const MAX_SIZE = 1_048_576

/**
 * Creates a store in which all processes with the same Redis share the results of `introspection` or `opaque`: one process asks
 * about a token, and the others use its answer. The cache of each process is still asked first, so a known token needs no round
 * trip. While one process asks, the others wait for its answer, for at most half of the `timeout` of `introspection`.
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
  /** How long Redis was asked to keep it. In milliseconds. */
  readonly lifetime: number
}

/** An entry that no process will replace soon: there is nothing to wait for. */
const UNUSABLE = Symbol('unusable')

const NAMES = ['name', 'secret', 'timeout', 'ifUnavailable', 'onResults'] as const

class RedisResults implements ResultStore {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #seal: Seal
  readonly #mayAsk: boolean
  readonly #onResults: ((event: ResultsEvent) => void) | undefined
  readonly #redis: Guard
  #waiting = 0

  constructor(client: RedisClient, options: RedisResultsOptions) {
    const read = readOptions('redisResults', client, options, NAMES)
    this.#client = client
    this.#prefix = `bearergate:results:${assertText('name', read.name)}:`
    this.#seal = new Seal(assertSecret(read.secret))
    const timeout = secondsOf('timeout', read.timeout, { preset: 0.1, min: 0.01, max: 5 }, 'a number')
    this.#mayAsk = assertChoice('ifUnavailable', read.ifUnavailable, ['ask', 'reject']) === 'ask'
    this.#onResults = assertListener('onResults', read.onResults)
    this.#redis = new Guard(1000 * timeout, {
      failed: (cause) => this.#notify({ type: 'failed', cause }),
      recovered: () => this.#notify({ type: 'recovered' }),
    })
  }

  async find(name: string, question: ResultQuestion): Promise<StoredAnswer> {
    const key = this.#prefix + this.#seal.nameOf(name)
    try {
      const stored = await this.#findStored(key, question)
      if (stored !== undefined) return stored
    } catch (cause) {
      if (!this.#mayAsk) throw new UnavailableError('Redis has no results', { cause })
    }
    return { answer: await this.#ask(key, question), age: 0 }
  }

  describe(): object {
    return { kind: 'redis', isAvailable: !this.#redis.isFailing }
  }

  /**
   * Returns the stored answer. If another process is asking, waits for its answer. `undefined` if this process should ask.
   * @throws Error if Redis fails
   */
  async #findStored(key: string, question: ResultQuestion): Promise<StoredAnswer | undefined> {
    const stored = await this.#get(key, question)
    if (stored === UNUSABLE) return undefined
    if (stored !== undefined || (await this.#reserve(key))) return stored
    // After an outage a reservation may be left that no process could remove, and no answer would ever be stored.
    if (this.#waiting >= MAX_WAITING || this.#redis.hasFailedWithin(RESERVED_FOR)) return undefined
    this.#waiting += 1
    try {
      return await this.#wait(key, question)
    } finally {
      this.#waiting -= 1
    }
  }

  /** Waits until there is an answer, or this process has the reservation. */
  async #wait(key: string, question: ResultQuestion): Promise<StoredAnswer | undefined> {
    const end = performance.now() + 1000 * question.patience
    for (let pause = PAUSE.first; performance.now() < end; pause = Math.min(2 * pause, PAUSE.longest)) {
      await new Promise((resolve) => setTimeout(resolve, pause).unref())
      const stored = await this.#get(key, question)
      if (stored === UNUSABLE) return undefined
      if (stored !== undefined || (await this.#reserve(key))) return stored
    }
    return undefined
  }

  /** Returns whether this process may ask: no other one is asking. With `XX`, renews its reservation. */
  async #reserve(key: string, condition: 'NX' | 'XX' = 'NX'): Promise<boolean> {
    const expiration = { type: 'PX', value: RESERVED_FOR } as const
    const set = () => this.#client.set(`${key}:asking`, '1', { condition, expiration })
    return (await this.#redis.write(set)) !== null
  }

  async #get(key: string, question: ResultQuestion): Promise<StoredAnswer | typeof UNUSABLE | undefined> {
    // Both in one round trip.
    const left = this.#redis.read(() => this.#client.pTTL(key))
    ignore(left)
    const text = await this.#redis.read(() => this.#client.getRange(key, 0, MAX_SIZE - 1))
    if (typeof text !== 'string' || text === '') return undefined
    const entry = this.#seal.open(key, text) as Entry | undefined
    if (entry === undefined) {
      this.#notify({ type: 'invalid_entry' })
      return UNUSABLE
    }
    const age = Date.now() - entry.askedAt
    if (age < -MAX_AHEAD) return UNUSABLE
    // Redis counts the time as well, so a clock that is behind does not make an answer look newer.
    const passed = entry.lifetime - Number(await left)
    const stored = { answer: entry.answer, age: Math.max(0, age, passed) / 1000 }
    return question.accepts(stored) ? stored : undefined
  }

  /** Asks, and stores the answer in the background. If others would not find it, another process may ask at once. */
  async #ask(key: string, { ask }: ResultQuestion): Promise<SharedAnswer> {
    const askedAt = Date.now()
    let isFound = false
    const renewing = setInterval(() => ignore(this.#reserve(key, 'XX')), RENEWED_EVERY).unref()
    try {
      const { answer, lifetime } = await ask()
      isFound = this.#store(key, { answer, askedAt, lifetime: Math.floor(lifetime * 1000) })
      return answer
    } finally {
      clearInterval(renewing)
      if (!isFound) this.#release(key)
    }
  }

  /** Lets another process ask at once, in the background. */
  #release(key: string): void {
    ignore(this.#redis.read(() => this.#client.del(`${key}:asking`)))
  }

  /**
   * Stores an answer in the background. Returns whether others can find it for as long as a reservation lasts.
   */
  #store(key: string, entry: Entry): boolean {
    const { lifetime } = entry
    const text = lifetime > 0 ? this.#seal.close(key, entry) : ''
    if (text === '' || Buffer.byteLength(text) > MAX_SIZE) return false
    const expiration = { type: 'PX', value: lifetime } as const
    this.#redis.write(() => this.#client.set(key, text, { expiration })).catch(() => this.#release(key)) // For example, Redis is full.
    return lifetime >= RESERVED_FOR
  }

  #notify(event: ResultsEvent): void {
    notify(this.#onResults, event)
  }
}

/** Lets a command run in the background. A failure is reported by `onResults`. */
function ignore(command: Promise<unknown>): void {
  command.catch(() => {})
}
