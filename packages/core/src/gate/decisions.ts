/** Turns the outcome of the stages into a decision, and calls `onDecision`. */

import type { Challenger } from '../answer/challenge.ts'
import type { Decision, Denied, Passed, Preflight, RequiredHeaders } from '../model/decision.ts'
import { type Identity, ignoredClaimsOf } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionListener, DecisionStage } from '../observe/events.ts'
import { Mistakes } from '../observe/mistakes.ts'
import { notify } from '../observe/notify.ts'

/** The outcome of the stages: the first rejection, or an allowed request. */
export type Outcome<I extends Identity<unknown> | undefined> = Passed<I> | Preflight | Rejection

/** Creates the decisions of a gate. Each decision is reported exactly once, here. */
export class Decisions<I extends Identity<unknown> | undefined> {
  readonly #challenger: Challenger
  readonly #onDecision: DecisionListener<I> | undefined
  readonly #mistakes = new Mistakes()

  constructor(challenger: Challenger, onDecision: DecisionListener<I> | undefined) {
    this.#challenger = challenger
    this.#onDecision = onDecision
  }

  /** Returns the decision for an outcome, and reports it to `onDecision` with the detail that clients do not see. */
  of(outcome: Outcome<I>, stage: DecisionStage): Decision<I> {
    if (!isRejection(outcome)) {
      if (this.#onDecision !== undefined)
        notify(this.#onDecision, { decision: outcome, stage, ...noteOf(outcome, stage) })
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
    if (this.#onDecision === undefined) this.#mistakes.warn(cause)
    else notify(this.#onDecision, { decision, stage, cause })
    return decision
  }
}

/** Creates the decision for an allowed request. All members are own, so a polluted `Object.prototype` adds nothing. */
export function passed<I extends Identity<unknown> | undefined>(
  identity: I,
  headers?: RequiredHeaders,
): Passed<I> {
  return Object.freeze({ ok: true, identity, headers }) as Passed<I>
}

function noteOf<I extends Identity<unknown> | undefined>(
  outcome: Passed<I> | Preflight,
  stage: DecisionStage,
): { readonly ignoredClaims?: readonly string[] } {
  if (!outcome.ok || outcome.identity === undefined || stage === 'authorize') return {}
  const ignoredClaims = ignoredClaimsOf(outcome.identity)
  return ignoredClaims === undefined ? {} : { ignoredClaims }
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
