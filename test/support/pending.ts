/** Asks promises whether they have settled, without waiting for them. */

const PENDING = Symbol('pending')

/** Returns whether a promise is still pending after everything that is ready to run has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((go) => setImmediate(go, PENDING))
  return (await Promise.race([promise, turn])) === PENDING
}
