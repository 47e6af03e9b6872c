/** Ends streams whose token is revoked. A revocation costs work only for the streams that it names. */

import { isPromiseLike } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { RevocationEntry } from '../state/revocations.ts'
import type { RevocationHash } from './revocation-check.ts'
import { SlicedScan } from './sliced-scan.ts'
import { StreamIndex, type StreamNames } from './stream-index.ts'

/** How long revocations without an entry are collected before all streams are checked. */
const SCAN_DELAY: Seconds = 0.1
/** How long after a failed check the store is asked again. */
const RETRY_DELAY: Seconds = 1

export interface Revocable {
  readonly identity: Identity<unknown>
  readonly names: StreamNames
  readonly hash: RevocationHash
}

/** The revocations of a gate. */
export interface RevocationSource {
  isInStore(identity: Identity<unknown>, hash: RevocationHash): boolean | PromiseLike<boolean>
  /** Calls the listener after each revocation, with its entry if the store passes it. */
  onRevoked(listener: (entry?: RevocationEntry) => void): void
}

export class RevocationWatch<S extends Revocable> {
  readonly #source: RevocationSource
  readonly #live: ReadonlySet<S>
  readonly #end: (stream: S) => void
  readonly #index = new StreamIndex<S>()
  /** The streams that revocations in this turn name. */
  #named = new Set<S>()
  /** The streams that the store could not check. */
  #unchecked = new Set<S>()
  readonly #scan: SlicedScan<S>
  readonly #retries: SlicedScan<S>
  #isListening = false

  /** @param live the streams that have not ended yet */
  constructor(source: RevocationSource, live: ReadonlySet<S>, end: (stream: S) => void) {
    this.#source = source
    this.#live = live
    this.#end = end
    const check = (stream: S) => this.#check(stream)
    this.#scan = new SlicedScan(() => live, check, SCAN_DELAY)
    this.#retries = new SlicedScan(() => this.#takeUnchecked(), check, RETRY_DELAY)
  }

  /** Checks a stream after each revocation from now on. Call `start` as well, for revocations before and those by its hash. */
  watch(stream: S): void {
    if (!this.#isListening) this.#source.onRevoked((entry) => this.#revoked(entry))
    this.#isListening = true
    this.#index.add(stream)
  }

  /** Checks the stream for the first time, when its hash is known: some runtimes compute it later. */
  start(stream: S): void {
    const { hash } = stream
    if (!isPromiseLike(hash)) this.#startWith(stream, hash)
    else
      hash.then(
        (digest) => this.#startWith(stream, digest),
        () => this.#startWith(stream, undefined),
      )
  }

  forget(stream: S): void {
    this.#index.delete(stream)
    this.#unchecked.delete(stream)
  }

  #startWith(stream: S, hash: string | undefined): void {
    if (!this.#live.has(stream)) return
    if (hash !== undefined) this.#index.addHash(stream, hash)
    this.#check(stream)
  }

  /** Asks the store whether the token of a stream is revoked, and ends the stream then. */
  #check(stream: S): void {
    if (!this.#live.has(stream)) return
    const retry = () => this.#retry(stream)
    try {
      const answer = this.#source.isInStore(stream.identity, stream.hash)
      if (isPromiseLike(answer)) answer.then((isRevoked) => isRevoked && this.#end(stream), retry)
      else if (answer === true) this.#end(stream)
    } catch {
      retry()
    }
  }

  #revoked(entry: RevocationEntry | undefined): void {
    const named = this.#index.find(entry)
    if (named === undefined) {
      this.#scan.request()
      return
    }
    // Once after any number of revocations in the same turn.
    if (named.length > 0 && this.#named.size === 0) queueMicrotask(() => this.#checkNamed())
    for (const stream of named) this.#named.add(stream)
  }

  #checkNamed(): void {
    const named = this.#named
    this.#named = new Set()
    for (const stream of named) this.#check(stream)
  }

  /** A store that fails says nothing about the token, so the stream stays open, and the store is asked again later. */
  #retry(stream: S): void {
    if (!this.#live.has(stream)) return
    this.#unchecked.add(stream)
    this.#retries.request()
  }

  #takeUnchecked(): Iterable<S> {
    const unchecked = this.#unchecked
    this.#unchecked = new Set()
    return unchecked
  }
}
