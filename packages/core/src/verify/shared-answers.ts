/** Asks about a token once for all processes: through a `ResultStore`, behind the cache of this process. */

import { secondsOf } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { TokenBucket } from '../net/token-bucket.ts'
import type { NewAnswer, ResultStore, SharedAnswer } from '../state/result-store.ts'
import type { CacheLimits } from './cache-limits.ts'
import type { PresentedToken } from './presented.ts'

/** The facts that decide how long an answer may be shared. */
export interface Terms {
  readonly active: boolean
  /** In seconds since the epoch. `undefined` if the token does not expire. */
  readonly expiresAt: Seconds | undefined
}

type Limits = Pick<CacheLimits, 'ttl' | 'negativeTtl' | 'max'>

/** How one kind of verifiers asks, and reads what it was told. */
export interface Question<A extends SharedAnswer> {
  readonly ask: () => Promise<A>
  readonly termsOf: (answer: A) => Terms
}

/** The share of `max` that a process may have in the store as rejections, as in its own cache. */
const REJECTED_SHARE = 1 / 10

export class SharedAnswers {
  readonly #store: ResultStore | undefined
  readonly #limits: Limits
  /** The rejections that this process may store: any client can make up tokens, and the memory of the store is shared. */
  readonly #rejections: TokenBucket
  readonly #now: () => number
  readonly #verifier: string

  /**
   * @param verifier names the verifier in the store: verifiers that could be told something else need other names
   * @throws TypeError if the store is none
   */
  constructor(verifier: string, store: ResultStore | undefined, limits: Limits, now: () => number) {
    if (store !== undefined && typeof store?.find !== 'function')
      throw configurationError(
        'INVALID_OPTION',
        `"cache.store" must be a store of results, such as redisResults(client, { name, secret }), but is ${received(store)}`,
      )
    this.#verifier = verifier
    this.#store = store
    this.#limits = limits
    this.#now = now
    // Half of them at once, and the other half within `negativeTtl`: no more than that exist at any time.
    const half = Math.ceil((limits.max * REJECTED_SHARE) / 2)
    this.#rejections = new TokenBucket(half, limits.negativeTtl / half)
  }

  /** Whether answers are shared, and so must be JSON. */
  get isUsed(): boolean {
    return this.#store !== undefined
  }

  describe(): { results?: object } {
    return this.#store === undefined ? {} : { results: this.#store.describe?.() ?? {} }
  }

  /** Returns the answer about a token, and its age in `presented.age`. */
  async find<A extends SharedAnswer>(presented: PresentedToken, { ask, termsOf }: Question<A>): Promise<A> {
    if (this.#store === undefined) return ask()
    let asking: Promise<A> | undefined
    const askOnce = async (): Promise<NewAnswer> => {
      asking ??= ask()
      const answer = await asking
      const terms = termsOf(answer)
      return { answer, lifetime: this.#mayStore(terms) ? this.#lifetimeOf(terms) : 0 }
    }
    const name = `${this.#verifier} ${await presented.hash}`
    try {
      const found = await this.#store.find(name, askOnce)
      // An answer of its own is not read from the store, even if it returns another one.
      if (asking !== undefined) return await asking
      const { answer, age } = checked(found)
      // A store must not extend the limits, not even by mistake.
      if (age >= this.#limitOf(termsOf(answer as A))) return ask()
      presented.age = age
      return answer as A
    } catch (cause) {
      // The store may fail after the answer is there.
      if (asking !== undefined) return asking
      throw cause
    }
  }

  #mayStore({ active }: Terms): boolean {
    return active || this.#rejections.tryAcquire()
  }

  #limitOf({ active }: Terms): Seconds {
    return active ? this.#limits.ttl : this.#limits.negativeTtl
  }

  #lifetimeOf(terms: Terms): Seconds {
    const left = terms.expiresAt === undefined ? undefined : terms.expiresAt - secondsOf(this.#now)
    return Math.max(0, Math.min(this.#limitOf(terms), left ?? Number.POSITIVE_INFINITY))
  }
}

/** @throws MistakeError if a store returned something else than an answer with its age */
function checked(found: unknown): { answer: SharedAnswer; age: Seconds } {
  const { answer, age } = (isObject(found) ? found : {}) as { answer?: unknown; age?: unknown }
  if ((answer !== null && !isObject(answer)) || !(typeof age === 'number' && age >= 0))
    throw new MistakeError('The store of results returned no answer with its age in seconds')
  return { answer: answer as SharedAnswer, age }
}
