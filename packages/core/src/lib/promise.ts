/**
 * Handles results that may be promises without waiting for those that are not.
 *
 * The answer for a cached token must be synchronous. The same code path also serves tokens whose check needs a request. With
 * `await`, a cached token would also cost a turn of the microtask queue.
 */

/**
 * Maps a result like `await`, but stays synchronous if the result is not a promise. Accepts any thenable, because functions
 * of the application may return those of another library. If `next` throws synchronously, so does this.
 */
export function mapMaybe<T, R>(
  result: T | PromiseLike<T>,
  next: (value: T) => R | PromiseLike<R>,
): R | Promise<R> {
  return isPromiseLike(result) ? Promise.resolve(result).then(next) : (next(result) as R | Promise<R>)
}

/** Whether a result is a promise or another thenable. */
export function isPromiseLike<T>(result: T | PromiseLike<T>): result is PromiseLike<T> {
  return (
    typeof result === 'object' && result !== null && typeof (result as PromiseLike<T>).then === 'function'
  )
}

/** Ignores a promise that was returned instead of a plain value. Its unhandled rejection would end a Node process. */
export function ignoreRejection(result: unknown): void {
  if (result instanceof Promise) result.catch(() => {})
}

/**
 * Calls a function for each item, one after the other, until a result is the last one. Stays synchronous if no result is a
 * promise. One at a time, because a function that throws would leave the promises of others without a handler.
 */
export function inTurn<T, R>(
  items: readonly T[],
  call: (item: T) => R | PromiseLike<R>,
  isLast: (result: R) => boolean,
): R[] | Promise<R[]> {
  const results: R[] = []
  function from(start: number): R[] | Promise<R[]> {
    for (let index = start; index < items.length; index += 1) {
      const result = call(items[index] as T)
      if (isPromiseLike(result))
        return Promise.resolve(result).then((settled) => {
          results.push(settled)
          return isLast(settled) ? results : from(index + 1)
        })
      results.push(result)
      if (isLast(result)) break
    }
    return results
  }
  return from(0)
}
