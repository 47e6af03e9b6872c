/** Turns the outcome of the stages into a decision, and calls `onDecision`. */

import type { Challenger } from '../answer/challenge.ts'
import { type AnswerFunction, customized } from '../answer/custom.ts'
import { withExplanation } from '../answer/error.ts'
import { monotonic } from '../lib/clock.ts'
import { isPromiseLike } from '../lib/promise.ts'
import type { Decision, Denied, Passed, Preflight } from '../model/decision.ts'
import { type Identity, ignoredClaimsOf } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionEvent, DecisionListener, DecisionStage } from '../observe/events.ts'
import { Mistakes } from '../observe/mistakes.ts'
import { notify } from '../observe/notify.ts'
import type { RequestLike } from '../request/request.ts'
import { Deadline } from './deadline.ts'
import type { OnDenied } from './options.ts'
import type { Report } from './report.ts'

/** The outcome of the stages: the first rejection, or an allowed request. */
export type Outcome<I extends Identity<unknown> | undefined> = Passed<I> | Preflight | Rejection

/** The options of a gate that concern its decisions. */
export interface DecisionSettings<I extends Identity<unknown> | undefined> {
  readonly onDecision: DecisionListener<I> | undefined
  readonly answer: AnswerFunction | undefined
  readonly onDenied: OnDenied
  /** How long a request waits for its decision. In seconds. */
  readonly deadline: Seconds
}

export class Decisions<I extends Identity<unknown> | undefined> {
  readonly #challenger: Challenger
  readonly #onDecision: DecisionListener<I> | undefined
  readonly #mistakes = new Mistakes()
  readonly #answer: AnswerFunction | undefined
  readonly #onDenied: OnDenied
  readonly #isReported: boolean
  /** Whether anything reads why a request was denied. Otherwise the detail is not computed. */
  readonly #isExplained: boolean
  readonly #deadline: Deadline

  constructor(challenger: Challenger, settings: DecisionSettings<I>) {
    const { onDecision, answer, onDenied, deadline } = settings
    this.#deadline = new Deadline(deadline)
    this.#onDenied = onDenied
    this.#isExplained = onDecision !== undefined || onDenied === 'next'
    this.#challenger = challenger
    this.#onDecision = onDecision
    this.#answer = answer
    this.#isReported = onDecision !== undefined || answer !== undefined
  }

  /** Begins a report about a request. Returns `undefined` if none is needed. */
  begin(stage: DecisionStage, request: RequestLike | undefined): Report | undefined {
    return this.#isReported ? { stage, request, began: monotonic(), cacheUse: { isHit: false } } : undefined
  }

  /** Turns an outcome into a decision: at once, or within the deadline. Never throws or rejects. */
  settle(
    outcome: Outcome<I> | PromiseLike<Outcome<I>>,
    report: Report | undefined,
  ): Decision<I> | Promise<Decision<I>> {
    return isPromiseLike(outcome) ? this.#settleLater(outcome, report) : this.#of(outcome, report)
  }

  async #settleLater(outcome: PromiseLike<Outcome<I>>, report: Report | undefined): Promise<Decision<I>> {
    try {
      return this.#of(await this.#deadline.within(outcome), report)
    } catch (cause) {
      return this.unavailable(cause, report)
    }
  }

  #of(outcome: Outcome<I>, report: Report | undefined): Decision<I> {
    if (!isRejection(outcome)) {
      if (report !== undefined) this.#notify(outcome, report, noteOf(outcome, report))
      return outcome
    }
    const decision = this.#customized(this.#challenger.refuse(outcome), report)
    if (!this.#isExplained) return decision
    const why = { detail: memberOf(outcome, 'detail'), requirement: memberOf(outcome, 'requirement') }
    return this.#explained(decision, report, why)
  }

  /** Returns the answer 503 for an error that kept the gate from deciding. */
  unavailable(cause: unknown, report: Report | undefined): Denied {
    const decision = this.#customized(this.#challenger.unavailable(retryAfterOf(cause)), report)
    if (this.#onDecision === undefined) this.#mistakes.warn(cause)
    return this.#explained(decision, report, { cause })
  }

  #customized(denied: Denied, report: Report | undefined): Denied {
    return this.#answer === undefined
      ? denied
      : customized(denied, this.#answer, report?.request, this.#mistakes)
  }

  #explained(denied: Denied, report: Report | undefined, why: Why): Denied {
    const decision = this.#onDenied === 'next' ? withExplanation(denied, why) : denied
    this.#notify(decision, report, why)
    return decision
  }

  #notify(decision: Decision<I>, report: Report | undefined, why: Why & Note = {}): void {
    if (report === undefined || this.#onDecision === undefined) return
    const { stage, request, began, cacheUse } = report
    const cached = cacheUse.isHit
    notify(this.#onDecision, { decision, stage, request, duration: monotonic() - began, cached, ...why })
  }
}

type Why = Pick<DecisionEvent, 'detail' | 'requirement' | 'cause'>

type Note = Pick<DecisionEvent, 'ignoredClaims'>

function noteOf(
  outcome: Passed<Identity<unknown> | undefined> | Preflight,
  report: Report | undefined,
): Note {
  if (!outcome.ok || outcome.identity === undefined || report?.stage !== 'authenticate') return {}
  const ignoredClaims = ignoredClaimsOf(outcome.identity)
  return ignoredClaims === undefined ? {} : { ignoredClaims }
}

/** Reads a member of a rejection, which may be a getter of the application that throws. */
function memberOf(rejection: Rejection, name: 'detail' | 'requirement'): string | undefined {
  try {
    return rejection[name]
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
