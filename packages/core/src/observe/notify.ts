/** Calls the listeners of operators, which must never affect a decision. */

import { ignoreRejection } from '../lib/promise.ts'

/** Calls a listener, if there is one. Ignores what it returns, throws or rejects with. */
export function notify<E>(listener: ((event: E) => unknown) | undefined, event: E): void {
  if (listener === undefined) return
  try {
    ignoreRejection(listener(event))
  } catch {}
}
