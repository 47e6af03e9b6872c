/** Turns the outcome of the stages into a decision, and calls `onDecision`. */

import type { Challenger } from '../answer/challenge.ts'
import type { Decision, Denied, Passed, Preflight } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionListener, DecisionStage } from '../observe/events.ts'
import { notify } from '../observe/notify.ts'

export type Outcome<I extends Identity<unknown> | undefined> = Passed<I> | Preflight | Rejection

export class Decisions<I extends Identity<unknown> | undefined> {
  readonly #challenger: Challenger
  readonly #onDecision: DecisionListener<I> | undefined

  constructor(challenger: Challenger, onDecision: DecisionListener<I> | undefined) {
    this.#challenger = challenger
    this.#onDecision = onDecision
  }

  of(outcome: Outcome<I>, stage: DecisionStage): Decision<I> {
    if (!isRejection(outcome)) {
      if (this.#onDecision !== undefined) notify(this.#onDecision, { decision: outcome, stage })
      return outcome
    }
    const decision = this.#challenger.refuse(outcome)
    if (this.#onDecision !== undefined)
      notify(this.#onDecision, { decision, stage, detail: detailOf(outcome) })
    return decision
  }

  /** Returns the answer 503 for an error that kept the gate from deciding. */
  unavailable(cause: unknown, stage: DecisionStage): Denied {
    const decision = this.#challenger.unavailable(retryAfterOf(cause))
    notify(this.#onDecision, { decision, stage, cause })
    return decision
  }
}

/** Reads the detail of a rejection, which may be a getter of the application that throws. */
function detailOf(rejection: Rejection): string | undefined {
  try {
    return rejection.detail
  } catch {
    return undefined
  }
}

/** Reads `retryAfter` of an error, which may be any value, even a revoked Proxy. */
function retryAfterOf(cause: unknown): Seconds {
  try {
    return cause instanceof UnavailableError && typeof cause.retryAfter === 'number' ? cause.retryAfter : 1
  } catch {
    return 1
  }
}
