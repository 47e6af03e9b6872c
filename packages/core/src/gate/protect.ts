/** Protects a fetch handler: Workers, Deno, Bun, or any framework of `Request` and `Response`. */

import { isTargetedCacheControl, stricter } from '../answer/cache-headers.ts'
import type { MetadataResponse } from '../answer/metadata.ts'
import type { CorsMiddleware } from '../answer/preflight.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import type { Preflight, RequiredHeaders } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import { admit, type Deciding, type HandlerOptions, handlerRequirement } from './handler-options.ts'
import type { Background } from './keep-alive.ts'

export type ProtectedHandler<I extends Identity<unknown> | undefined, Rest extends unknown[] = []> = (
  request: Request,
  identity: I,
  ...rest: Rest
) => Response | Promise<Response>

/** The members of a gate that are used. */
interface Protecting<I extends Identity<unknown> | undefined> extends Deciding<I> {
  readonly cors: CorsMiddleware | undefined
  metadata(request: Request): MetadataResponse | undefined
}

export function protect<I extends Identity<unknown> | undefined, Rest extends unknown[]>(
  gate: Protecting<I>,
  handler: ProtectedHandler<I, Rest>,
  options?: HandlerOptions<I, Request>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  if (typeof handler !== 'function')
    throw configurationError(
      'INVALID_ARGUMENT',
      `"handler" must be a function, such as protect((request, identity) => Response.json({})), but is ${received(handler)}`,
    )
  const required = handlerRequirement('protect', options)
  return async (request, ...rest) => {
    const answer = gate.metadata(request)
    if (answer !== undefined) return answer.toResponse()
    const decision = await admit(gate, request, request, required, rest.find(isBackground))
    if (decision.ok) {
      const response = await handler(request, decision.identity as I, ...rest)
      return decision.headers === undefined || response.status < 200
        ? response
        : withHeaders(response, decision.headers)
    }
    if (decision.reason === 'preflight') return answerPreflight(gate.cors, decision, request, rest)
    return decision.toResponse()
  }
}

/** Answers a preflight by the CORS middleware, or by the gate if the middleware fails or returns no response. */
async function answerPreflight(
  cors: CorsMiddleware | undefined,
  decision: Preflight,
  request: Request,
  rest: readonly unknown[],
): Promise<Response> {
  try {
    const answer = await cors?.(...([request, ...rest] as never[]))
    if (answer instanceof Response) return answer
  } catch {}
  return decision.toResponse()
}

/** Whether an argument is the `ctx` of a Worker, or the equivalent of another runtime. */
function isBackground(value: unknown): value is Background {
  return isObject(value) && typeof value.waitUntil === 'function'
}

/** Returns a copy, because the headers of a response can be immutable. */
function withHeaders(response: Response, headers: RequiredHeaders): Response {
  const copy = new Response(response.body, response)
  for (const name of [...copy.headers.keys()]) if (isTargetedCacheControl(name)) copy.headers.delete(name)
  for (const [name, value] of Object.entries(headers))
    copy.headers.set(name, stricter(name, value, copy.headers.get(name) ?? undefined))
  return copy
}
