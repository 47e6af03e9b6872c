/** Turns the outcome of the stages into a decision, and calls `onDecision`. */

import type { Challenger } from '../answer/challenge.ts'
import { type AnswerFunction, customized } from '../answer/custom.ts'
import { isPromiseLike } from '../lib/promise.ts'
import type { Decision, Denied, Passed, Preflight } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionEvent, DecisionListener, DecisionStage } from '../observe/events.ts'
import { notify } from '../observe/notify.ts'
import type { RequestLike } from '../request/request.ts'
import { Deadline } from './deadline.ts'
import type { Report } from './report.ts'

export type Outcome<I extends Identity<unknown> | undefined> = Passed<I> | Preflight | Rejection

/** What a gate does with its decisions. */
export interface DecisionSettings<I extends Identity<unknown> | undefined> {
  readonly onDecision: DecisionListener<I> | undefined
  readonly answer: AnswerFunction | undefined
  /** How long a request waits for its decision. In seconds. */
  readonly deadline: Seconds
}

export class Decisions<I extends Identity<unknown> | undefined> {
  readonly #challenger: Challenger
  readonly #onDecision: DecisionListener<I> | undefined
  readonly #answer: AnswerFunction | undefined
  readonly #isReported: boolean
  readonly #deadline: Deadline

  constructor(challenger: Challenger, { onDecision, answer, deadline }: DecisionSettings<I>) {
    this.#deadline = new Deadline(deadline)
    this.#challenger = challenger
    this.#onDecision = onDecision
    this.#answer = answer
    this.#isReported = onDecision !== undefined || answer !== undefined
  }

  /** Begins a report about a request. Returns `undefined` if none is needed. */
  begin(stage: DecisionStage, request: RequestLike | undefined): Report | undefined {
    return this.#isReported ? { stage, request } : undefined
  }

  /** Turns an outcome into a decision: at once, or within the deadline. Never throws or rejects. */
  settle(
    outcome: Outcome<I> | PromiseLike<Outcome<I>>,
    report: Report | undefined,
  ): Decision<I> | Promise<Decision<I>> {
    if (!isPromiseLike(outcome)) return this.#of(outcome, report)
    return this.#deadline
      .within(outcome)
      .then((settled) => this.#of(settled, report))
      .catch((cause) => this.unavailable(cause, report))
  }

  #of(outcome: Outcome<I>, report: Report | undefined): Decision<I> {
    if (!isRejection(outcome)) {
      this.#notify(outcome, report)
      return outcome
    }
    const decision = this.#customized(this.#challenger.refuse(outcome), report)
    if (this.#onDecision !== undefined) this.#notify(decision, report, { detail: detailOf(outcome) })
    return decision
  }

  /** Returns the answer 503 for an error that kept the gate from deciding. */
  unavailable(cause: unknown, report: Report | undefined): Denied {
    const decision = this.#customized(this.#challenger.unavailable(retryAfterOf(cause)), report)
    this.#notify(decision, report, { cause })
    return decision
  }

  #customized(denied: Denied, report: Report | undefined): Denied {
    return this.#answer === undefined ? denied : customized(denied, this.#answer, report?.request)
  }

  #notify(
    decision: Decision<I>,
    report: Report | undefined,
    why: Pick<DecisionEvent, 'detail' | 'cause'> = {},
  ): void {
    if (report === undefined) return
    notify(this.#onDecision, { decision, stage: report.stage, ...why })
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
