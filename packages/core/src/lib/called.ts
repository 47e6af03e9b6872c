/** Recognizes a function of an adapter that was mounted instead of its result. */

import { configurationError } from './configuration-error.ts'

/**
 * Rejects the request that a framework passes to a function which was mounted without being called.
 * @param example what to write instead
 * @throws TypeError if the argument is a request of Node, Express, Koa or fetch
 */
export function assertCalled(name: string, argument: unknown, example: string): void {
  if (isRequest(argument))
    throw configurationError(
      'NOT_CALLED',
      `${name} received a request instead of its own argument: call ${name}(…) and mount the result, such as ${example}`,
    )
}

/**
 * Rejects a call by another framework. Middleware that continues after an `await` would otherwise end the process.
 * @param isRight whether the arguments are those of the framework that the package is for
 * @throws TypeError if they are not
 */
export function assertHost(packageName: string, isRight: boolean, hint: string): void {
  if (!isRight)
    throw configurationError(
      'INVALID_ARGUMENT',
      `The middleware of ${packageName} was called by another framework. ${hint}`,
    )
}

/** A Koa context has the requests of Node and of Koa, any other request has headers. */
function isRequest(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'headers' in value || ('req' in value && 'res' in value)
}
