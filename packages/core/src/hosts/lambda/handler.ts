/** Wraps Lambda handlers behind API Gateway (REST and HTTP), load balancers and function URLs. */

import { isTargetedCacheControl, stricter } from '../../answer/cache-headers.ts'
import type { MetadataResponse } from '../../answer/metadata.ts'
import type { CorsMiddleware } from '../../answer/preflight.ts'
import { admit, type HandlerOptions, handlerRequirement } from '../../gate/handler-options.ts'
import type { Gate } from '../../gate/interface.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { isObject } from '../../lib/json.ts'
import { received } from '../../lib/received.ts'
import { answerOf, type Denied, type Preflight } from '../../model/decision.ts'
import type { Identity } from '../../model/identity.ts'
import { lambdaBackground } from './background.ts'
import { type Fields, fromLambdaEvent, isOfBalancer, type LambdaEvent } from './event.ts'

/** A result that is valid for every kind of event. */
export interface LambdaResult {
  readonly statusCode: number
  readonly headers: Record<string, string>
  /** Set for load balancers with multi-value headers, which ignore `headers`. */
  readonly multiValueHeaders?: Record<string, string[]>
  readonly body: string
  readonly isBase64Encoded: false
}

/**
 * Wraps a Lambda handler. It answers events that are not allowed, and calls your handler for the others with the event, the
 * identity, and the further arguments of the runtime.
 *
 * @example
 * export const handler = lambda(gate, async (event: APIGatewayProxyEventV2, identity) => ({ hello: identity.subject }))
 * export const remove = lambda(gate, deleteMessage, { requirement: scope('write:messages') })
 * @throws TypeError if the gate or the handler is missing, or an option is unknown or invalid
 */
export function lambda<
  I extends Identity<unknown> | undefined,
  E extends LambdaEvent,
  Result,
  Rest extends unknown[] = [],
>(
  gate: Gate<I>,
  handler: (event: E, identity: I, ...rest: Rest) => Result | Promise<Result>,
  options?: HandlerOptions<I, E>,
): (event: E, ...rest: Rest) => Promise<Result | LambdaResult> {
  if (typeof gate?.authenticate !== 'function')
    throw configurationError('INVALID_ARGUMENT', '"gate" must be a gate: lambda(createGate({ … }), handler)')
  if (typeof handler !== 'function')
    throw configurationError(
      'INVALID_ARGUMENT',
      `"handler" must be a function, such as lambda(gate, async (event, identity) => …), but is ${received(handler)}`,
    )
  const required = handlerRequirement('lambda', options)
  const backgroundOf = lambdaBackground()
  return async (event, ...rest) => {
    const view = fromLambdaEvent(event)
    const answer = gate.metadata(view)
    if (answer !== undefined) return resultOf(event, answer.status, answer.headers, answer.body)
    const background = backgroundOf()
    const decision = await admit(gate, view, event, required, background)
    const result = decision.ok
      ? await handler(event, decision.identity as I, ...rest)
      : await refusalOf<Result>(event, decision, gate.cors, rest)
    await background.settled()
    return decision.ok && decision.headers !== undefined
      ? withFields(event, result, decision.headers)
      : result
  }
}

/** Answers an event that is not allowed. If the CORS middleware fails or returns nothing for a preflight, the gate answers it. */
async function refusalOf<Result>(
  event: LambdaEvent,
  decision: Denied | Preflight,
  cors: CorsMiddleware | undefined,
  rest: readonly unknown[],
): Promise<Result | LambdaResult> {
  if (decision.reason === 'preflight')
    try {
      const answer = await cors?.(...([event, ...rest] as never[]))
      if (answer !== undefined) return answer as Result
    } catch {}
  const { status, headers, body } = answerOf(decision)
  return resultOf(event, status, headers as MetadataResponse['headers'], body)
}

/** Creates a result in the form that every kind of event accepts. */
function resultOf(event: LambdaEvent, status: number, headers: Fields, body: string): LambdaResult {
  const all = { ...headers } as Record<string, string>
  return { statusCode: status, headers: all, ...listed(event, all), body, isBase64Encoded: false }
}

/** Adds the headers as lists, for a load balancer that sends lists: it reads only those. */
function listed(
  event: LambdaEvent,
  headers: Record<string, string>,
): Pick<LambdaResult, 'multiValueHeaders'> {
  if (!isOfBalancer(event) || !isObject(event.multiValueHeaders as unknown)) return {}
  return {
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
  }
}

/** Adds required headers to a handler's result. In payload format 2.0 the result may be the body alone: 200 and JSON. */
function withFields<Result>(event: LambdaEvent, result: Result, fields: Fields): Result | LambdaResult {
  const given: unknown = result
  if (!isObject(given) || !('statusCode' in given)) {
    const body = typeof given === 'string' ? given : JSON.stringify(given ?? null)
    return resultOf(event, 200, { 'Content-Type': 'application/json', ...fields }, body)
  }
  const entries = (object: unknown) => Object.entries(isObject(object) ? object : {})
  const isAffected = (name: string) =>
    isTargetedCacheControl(name) ||
    Object.keys(fields).some((field) => field.toLowerCase() === name.toLowerCase())
  const others = (object: unknown) =>
    Object.fromEntries(entries(object).filter(([name]) => !isAffected(name)))
  const written = (field: string) =>
    [given.headers, given.multiValueHeaders]
      .flatMap(entries)
      .filter(([name]) => name.toLowerCase() === field.toLowerCase())
      .flatMap(([, value]) => value)
  const required = Object.entries(fields).map(([name, value]) => {
    const before = written(name)
    return [name, stricter(name, value ?? '', before.length === 0 ? undefined : before.join(', '))]
  })
  const headers = { ...others(given.headers), ...Object.fromEntries(required) } as Record<string, string>
  const lists = { ...listed(event, headers).multiValueHeaders, ...others(given.multiValueHeaders) }
  const multiValueHeaders = Object.keys(lists).length > 0 ? { multiValueHeaders: lists } : {}
  return { ...given, headers, ...multiValueHeaders } as unknown as LambdaResult
}
