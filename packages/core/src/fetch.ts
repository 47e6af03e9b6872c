/** Protects a fetch handler: Workers, Deno, Bun, or any framework of `Request` and `Response`. */

import type { Decision } from './decision.ts'
import { isObject, type Sender } from './identity.ts'
import type { PublicAnswer } from './metadata.ts'

export type ProtectedHandler<I extends Sender, Rest extends unknown[] = []> = (
  request: Request,
  identity: I,
  ...rest: Rest
) => Response | Promise<Response>

/** Keeps a runtime awake until a promise has settled. */
export interface Background {
  waitUntil(promise: Promise<unknown>): void
}

export function protect<I extends Sender, Rest extends unknown[]>(
  authenticate: (request: Request, background?: Background) => Decision<I> | Promise<Decision<I>>,
  metadata: (request: Request) => PublicAnswer | undefined,
  handler: ProtectedHandler<I, Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  if (typeof handler !== 'function') throw new TypeError('"handler" must be a function')
  return async (request, ...rest) => {
    const answer = metadata(request)
    if (answer !== undefined) return answer.toResponse()
    const decision = await authenticate(request, rest.find(isBackground))
    if (!decision.ok) return decision.toResponse()
    const response = await handler(request, decision.identity, ...rest)
    return decision.headers === undefined || response.status < 200
      ? response
      : withHeaders(response, decision.headers)
  }
}

/** The `ctx` of a Worker, or what stands for it elsewhere. */
function isBackground(value: unknown): value is Background {
  return isObject(value) && typeof value.waitUntil === 'function'
}

/** A copy, for the headers of a response may be immutable. */
function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  const copy = new Response(response.body, response)
  for (const [name, value] of Object.entries(headers)) copy.headers.set(name, value)
  return copy
}
