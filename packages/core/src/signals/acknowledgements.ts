/** Keeps the outcomes of event tokens until a poll reports them to the transmitter (RFC 8936 §2.4). */

import type { Outcome } from './event-handler.ts'
import type { EventError } from './event-token.ts'

/** The outcomes of tokens, as a poll sends them. */
export interface Report {
  /** The names of the tokens that were accepted, and whose revocations are stored. */
  readonly ack: readonly string[]
  /** The errors of those that were rejected, by their names. */
  readonly setErrs: Readonly<Record<string, SetError>>
}

interface SetError {
  readonly err: EventError
  readonly description: string
}

/** Collects outcomes until a poll takes them. There are never more of them than tokens in the responses since the last success. */
export class Acknowledgements {
  readonly #ack = new Set<string>()
  readonly #setErrs = new Map<string, SetError>()

  get isEmpty(): boolean {
    return this.#ack.size === 0 && this.#setErrs.size === 0
  }

  /**
   * Adds the outcome of a token. Returns `false` if the keys or the store were unavailable: nothing is reported then, so that the
   * transmitter sends the token again.
   */
  add(name: string, outcome: Outcome): boolean {
    if (outcome.status === 'unavailable') return false
    this.#ack.delete(name)
    this.#setErrs.delete(name)
    if (outcome.status === 'accepted') this.#ack.add(name)
    else this.#setErrs.set(name, { err: outcome.reason.error, description: outcome.reason.description })
    return true
  }

  /** Removes and returns all outcomes. */
  take(): Report {
    // `fromEntries` also writes the name "__proto__" as an own member.
    const report = { ack: [...this.#ack], setErrs: Object.fromEntries(this.#setErrs) }
    this.#ack.clear()
    this.#setErrs.clear()
    return report
  }

  /** Puts back the outcomes of a poll that failed. A newer outcome of the same token counts. */
  restore({ ack, setErrs }: Report): void {
    const isNew = (name: string) => !this.#ack.has(name) && !this.#setErrs.has(name)
    for (const name of ack.filter(isNew)) this.#ack.add(name)
    for (const [name, error] of Object.entries(setErrs)) if (isNew(name)) this.#setErrs.set(name, error)
  }
}
