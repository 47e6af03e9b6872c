/** Lets event tokens wait until the keys of their sender may be fetched again, if the sender may not send them again. */

import { monotonic, pause } from '../lib/clock.ts'
import { lastingMistake, UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/** How many tokens may wait, and the longest of them, in characters. Together they have at most 8 MB. */
const MAX_WAITING = 1_000
const MAX_LENGTH = 8_192
/** The shortest wait. Without it, an error that says "now" would be repeated without a pause. */
const MIN_WAIT: Seconds = 0.1

/**
 * After a change of keys, a good token needs a fetch of the new ones. Forged tokens with made-up key ids may have used up the
 * fetches that are allowed now. Many providers send a logout token only once, so an answer of 503 would lose the logout.
 */
export class KeyWait {
  readonly #patience: Seconds
  #waiting = 0

  /** @param patience how long a token may wait. In seconds. 0: its sender sends it again, so it never waits */
  constructor(patience: Seconds) {
    this.#patience = patience
  }

  /**
   * Verifies a token. If its keys are unavailable, verifies it again as soon as the error allows, until its patience ends.
   * @throws UnavailableError if they are still unavailable then, or too many tokens wait already
   */
  async verify<T>(text: string, verify: () => Promise<T>): Promise<T> {
    const until = monotonic() + this.#patience
    while (true) {
      try {
        return await verify()
      } catch (cause) {
        await this.#pause(cause, text.length, until)
      }
    }
  }

  async #pause(cause: unknown, length: number, until: Seconds): Promise<void> {
    if (!(cause instanceof UnavailableError) || lastingMistake(cause) !== undefined) throw cause
    const wait = Math.max(MIN_WAIT, cause.retryAfter)
    const mayWait = length <= MAX_LENGTH && this.#waiting < MAX_WAITING && monotonic() + wait <= until
    if (!mayWait) throw cause
    this.#waiting += 1
    await pause(wait)
    this.#waiting -= 1
  }
}
