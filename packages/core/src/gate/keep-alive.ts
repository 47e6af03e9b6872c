/** Keeps a serverless runtime awake for pending work (`waitUntil`). */

import { ignoreRejection } from '../lib/promise.ts'

/** Keeps a runtime awake until a promise has settled, such as the `ctx` of a Worker. */
export interface Background {
  waitUntil(promise: Promise<unknown>): void
}

/** Makes a runtime wait for pending work, if there is any. Errors of the work and of the runtime are ignored. */
export function keepAlive(background: Background, workOf: () => PromiseLike<unknown> | undefined): void {
  try {
    const work = workOf()
    if (work !== undefined) ignoreRejection(background.waitUntil(Promise.resolve(work).catch(() => {})))
  } catch {}
}
