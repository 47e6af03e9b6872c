/** Calls the listeners of operators, which must never affect a decision. */

import { ignoreRejection } from '../lib/promise.ts'

/**
 * Calls a listener, if there is one. Ignores its result, and any error that it throws or rejects with: a failing logger must
 * not turn a valid request into a 503.
 */
export function notify<E>(listener: ((event: E) => unknown) | undefined, event: E): void {
  if (listener === undefined) return
  try {
    ignoreRejection(listener(event))
  } catch {}
}
