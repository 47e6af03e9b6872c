/** What operators get to know of each decision, without tokens. */

import type { Decision } from './decision.ts'
import type { Identity } from './identity.ts'
import type { Rejection } from './rejection.ts'

/** One decision, as told to `onDecision`. It never carries a token or a part of one. */
export interface DecisionEvent<I extends Identity<unknown> = Identity> {
  readonly decision: Decision<I>
  /** Which claim or header parameter was wrong, and how. */
  readonly detail?: string | undefined
  /** With 503: what kept the gate from telling. */
  readonly cause?: unknown
}

export type DecisionListener<I extends Identity<unknown>> = (event: DecisionEvent<I>) => void

/** Tells the listener. What it throws is its own affair: the decision stands. */
export function tell<I extends Identity<unknown>>(
  listener: DecisionListener<I> | undefined,
  decision: Decision<I>,
  about: { readonly rejection?: Rejection; readonly cause?: unknown },
): void {
  if (listener === undefined) return
  try {
    listener({ decision, detail: about.rejection?.detail, cause: about.cause })
  } catch {}
}
