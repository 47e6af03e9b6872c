/** Runs commands with a time limit, and leaves a Redis alone that does not answer. */

import { SilenceError, within } from './within.ts'

/** How long Redis is left alone after it did not answer. In milliseconds. Otherwise each request would wait for the limit. */
const REST = 1000

export interface GuardListener {
  /** Called once for each outage, with its first error. */
  failed(cause: unknown): void
  /** Called when the outage has ended. */
  recovered(): void
}

export class Guard {
  readonly #timeout: number
  readonly #listener: GuardListener
  /** Whether the last command failed. After an answer `OOM` to a write, only another write shows that Redis works again. */
  #failed: 'any' | 'writes' | undefined
  #recoveredAt = Number.NEGATIVE_INFINITY
  #isSilent = false
  /** When Redis answered last, by the monotonic clock. In milliseconds. */
  #heardAt = Number.NEGATIVE_INFINITY
  /** When a command may be sent again after Redis did not answer, by the monotonic clock. In milliseconds. */
  #restsUntil = 0

  /** @param timeout how long a command may take, in milliseconds */
  constructor(timeout: number, listener: GuardListener) {
    this.#timeout = timeout
    this.#listener = listener
  }

  get isFailing(): boolean {
    return this.#failed !== undefined
  }

  /** Returns whether Redis fails now, or did so within this time. In milliseconds. */
  hasFailedWithin(milliseconds: number): boolean {
    return this.isFailing || performance.now() - this.#recoveredAt < milliseconds
  }

  /** @throws Error if Redis fails, or did not answer a moment ago */
  read<T>(command: () => Promise<T>): Promise<T> {
    return this.#run(command, 'any')
  }

  /** The same for a command that needs memory in Redis. A full Redis answers others as before. */
  write<T>(command: () => Promise<T>): Promise<T> {
    return this.#run(command, 'writes')
  }

  async #run<T>(command: () => Promise<T>, kind: 'any' | 'writes'): Promise<T> {
    if (performance.now() < this.#restsUntil) throw new Error('Redis did not answer a moment ago')
    // After the rest, one command tries whether Redis answers. Others would wait, and fill the queue of the client.
    if (this.#isSilent) this.#rest(this.#timeout + REST)
    const sentAt = performance.now()
    try {
      const result = await within(command(), this.#timeout)
      this.#hears()
      if (this.#failed !== undefined && (this.#failed === 'any' || kind === 'writes')) {
        this.#failed = undefined
        this.#recoveredAt = performance.now()
        this.#listener.recovered()
      }
      return result
    } catch (cause) {
      const isSilence = cause instanceof SilenceError
      if (!isSilence) this.#hears()
      // It may only be slow: then it has answered others meanwhile.
      else if (this.#heardAt < sentAt) this.#rest(REST)
      const isFirst = this.#failed === undefined
      this.#failed = isSilence ? 'any' : kind
      if (isFirst) this.#listener.failed(cause)
      throw cause
    }
  }

  #rest(milliseconds: number): void {
    this.#isSilent = true
    this.#restsUntil = performance.now() + milliseconds
  }

  /** Ends the rest: Redis has answered, be it with an error. */
  #hears(): void {
    this.#isSilent = false
    this.#restsUntil = 0
    this.#heardAt = performance.now()
  }
}
