/** Protects a fetch handler: Workers, Deno, Bun, or any framework of `Request` and `Response`. */

import type { Decision } from './decision.ts'
import type { Identity } from './identity.ts'

export type ProtectedHandler<I extends Identity<unknown>, Rest extends unknown[] = []> = (
  request: Request,
  identity: I,
  ...rest: Rest
) => Response | Promise<Response>

export function protect<I extends Identity<unknown>, Rest extends unknown[]>(
  authenticate: (request: Request) => Decision<I> | Promise<Decision<I>>,
  handler: ProtectedHandler<I, Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  if (typeof handler !== 'function') throw new TypeError('"handler" must be a function')
  return async (request, ...rest) => {
    const decision = await authenticate(request)
    return decision.ok ? handler(request, decision.identity, ...rest) : decision.toResponse()
  }
}
