/** Asks about a token once for all processes: through a `ResultStore`, behind the cache of this process. */

import { secondsOf } from '../lib/clock.ts'
import { isObject } from '../lib/json.ts'
import { isJson } from '../lib/plain.ts'
import type { Identity } from '../model/identity.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { TokenBucket } from '../net/token-bucket.ts'
import type { NewAnswer, ResultStore, SharedAnswer, StoredAnswer } from '../state/result-store.ts'
import type { CacheLimits } from './cache-limits.ts'
import type { PresentedToken } from './presented.ts'
import type { Verification } from './verification.ts'

/** The facts that decide how long an answer may be shared. */
export interface Terms {
  readonly active: boolean
  /** In seconds since the epoch. `undefined` if the token does not expire. */
  readonly expiresAt: Seconds | undefined
}

type Limits = Pick<CacheLimits, 'ttl' | 'negativeTtl' | 'max'>

/** How one kind of verifiers asks about a token, and reads the answer. */
export interface AnswerKind<A, V> {
  ask(): Promise<A>
  /** Reads an answer, new or shared. Rejects if it says nothing about the token: then it is not stored. */
  read(answer: A): V | Promise<V>
  /** Returns the part of an answer that other processes may read. `undefined` if they would read something else. */
  share(answer: A): SharedAnswer | undefined
  termsOf(answer: A): Terms
}

/** The share of `max` that a process may have in the store as rejections, as in its own cache. */
const REJECTED_SHARE = 1 / 10

export class SharedAnswers {
  readonly #verifier: string
  readonly #store: ResultStore | undefined
  readonly #limits: Limits
  readonly #patience: Seconds
  readonly #now: () => number
  /** The rejections that this process may store: any client can make up tokens, and the memory of the store is shared. */
  readonly #rejections: TokenBucket

  /**
   * @param verifier names the verifier in the store: verifiers that could get another answer need other names
   * @param patience how long a request may wait for another process, in seconds
   */
  constructor(
    verifier: string,
    store: ResultStore | undefined,
    limits: Limits,
    patience: Seconds,
    now: () => number,
  ) {
    this.#verifier = verifier
    this.#store = store
    this.#limits = limits
    this.#patience = patience
    this.#now = now
    // Half of them at once, and the other half within `negativeTtl`: no more than that exist at any time.
    const half = Math.ceil((limits.max * REJECTED_SHARE) / 2)
    this.#rejections = new TokenBucket(half, limits.negativeTtl / half)
  }

  get isUsed(): boolean {
    return this.#store !== undefined
  }

  describe(): { results?: object } {
    return this.#store === undefined ? {} : { results: this.#store.describe?.() ?? {} }
  }

  /** Returns the result for a token. If it was shared, `presented.age` is the age of its answer. */
  async find<A, V extends Verification<Identity<unknown>>>(
    presented: PresentedToken,
    kind: AnswerKind<A, V>,
  ): Promise<V> {
    if (this.#store === undefined) return kind.read(await kind.ask())
    let asking: Promise<V> | undefined
    const ask = async (): Promise<NewAnswer> => {
      const answering = kind.ask()
      asking ??= answering.then((answer) => kind.read(answer))
      await asking // An answer that cannot be read is not stored: the next one may be right.
      return this.#newAnswer(await answering, kind)
    }
    const accepts = (stored: StoredAnswer) => this.#accepts(stored, kind)
    const name = `${this.#verifier} ${await presented.hash}`
    try {
      const found = await this.#store.find(name, { ask, accepts, patience: this.#patience })
      // An answer of its own is not read from the store, even if it returns another one.
      if (asking !== undefined) return await asking
      if (!accepts(found)) throw new MistakeError('The store of results returned an answer that is too old')
      presented.age = found.age
      return await kind.read(found.answer as A)
    } catch (cause) {
      // The store may fail after the answer is there.
      if (asking !== undefined) return asking
      throw cause
    }
  }

  #newAnswer<A>(answer: A, kind: Pick<AnswerKind<A, unknown>, 'share' | 'termsOf'>): NewAnswer {
    const shared = kind.share(answer)
    const terms = kind.termsOf(answer)
    // JSON would change the rest, such as a number that is too large: other processes would decide by something else.
    const isShared = shared !== undefined && isJson(shared) && (terms.active || this.#rejections.tryAcquire())
    return { answer: shared ?? null, lifetime: isShared ? this.#lifetimeOf(terms) : 0 }
  }

  /**
   * Returns whether an answer may be used here: a store must not extend the limits, not even by mistake.
   * @throws MistakeError if it is no answer with its age
   */
  #accepts<A>(stored: StoredAnswer, kind: Pick<AnswerKind<A, unknown>, 'termsOf'>): boolean {
    const { answer, age } = (isObject(stored) ? stored : {}) as { answer?: unknown; age?: unknown }
    if ((answer !== null && !isObject(answer)) || !(typeof age === 'number' && age >= 0))
      throw new MistakeError('The store of results returned no answer with its age in seconds')
    return age < this.#limitOf(kind.termsOf(answer as A))
  }

  #limitOf({ active }: Terms): Seconds {
    return active ? this.#limits.ttl : this.#limits.negativeTtl
  }

  #lifetimeOf(terms: Terms): Seconds {
    const left = terms.expiresAt === undefined ? undefined : terms.expiresAt - secondsOf(this.#now)
    return Math.max(0, Math.min(this.#limitOf(terms), left ?? Number.POSITIVE_INFINITY))
  }
}
