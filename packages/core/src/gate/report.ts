/** Records a request and its duration, for `onDecision` and `answer`. */

import type { Seconds } from '../model/units.ts'
import type { DecisionStage } from '../observe/events.ts'
import type { RequestLike } from '../request/request.ts'
import type { CacheUse } from '../verify/presented.ts'

/** Created only for gates with `onDecision` or `answer`, so that other gates do not pay for it. */
export interface Report {
  readonly stage: DecisionStage
  /** `undefined` if it cannot be read, or `gate.authorize` was called without it. */
  readonly request: RequestLike | undefined
  /** When the decision began, by the monotonic clock. In seconds. */
  readonly began: Seconds
  readonly cacheUse: CacheUse
}
