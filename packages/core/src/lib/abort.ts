/**
 * Ends waiting when an `AbortSignal` aborts.
 *
 * An operation that receives a signal should reject when it aborts. A `fetch`, a store or a resolver that the application
 * passes may ignore its signal, or never settle. The gate must keep its deadline all the same.
 */

/**
 * Settles like the promise, or rejects with the signal's reason as soon as it aborts. It rejects even if the promise stays
 * pending. Removes its listener in the end, because signals can live longer than the promises that they limit.
 */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
