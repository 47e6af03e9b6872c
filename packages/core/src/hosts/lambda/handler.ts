/** AWS Lambda: events of API Gateway (REST and HTTP), load balancers and function URLs, and authorizers. `@bearergate/core/lambda`. */

import { isTargetedCacheControl, stricter } from '../../answer/cache-headers.ts'
import type { MetadataResponse } from '../../answer/metadata.ts'
import type { CorsMiddleware } from '../../answer/preflight.ts'
import type { Gate } from '../../gate/gate.ts'
import { isObject } from '../../lib/json.ts'
import { answerOf, type Denied, type Preflight } from '../../model/decision.ts'
import type { Identity } from '../../model/identity.ts'
import { lambdaBackground } from './background.ts'
import { type Fields, fromLambdaEvent, isOfBalancer, type LambdaEvent } from './event.ts'

/** An answer that every kind of event takes. */
export interface LambdaResult {
  readonly statusCode: number
  readonly headers: Record<string, string>
  /** Where a load balancer sends fields of several values, it takes no others. */
  readonly multiValueHeaders?: Record<string, string[]>
  readonly body: string
  readonly isBase64Encoded: false
}

/**
 * A handler that answers for itself where the event may not pass, and calls yours where it may. What the runtime passes
 * besides the event is passed on.
 *
 * @example
 * export const handler = lambda(gate, async (event: APIGatewayProxyEventV2, identity) => ({ hello: identity.subject }))
 * @throws TypeError where there is no handler
 */
export function lambda<
  I extends Identity<unknown> | undefined,
  E extends LambdaEvent,
  Result,
  Rest extends unknown[] = [],
>(
  gate: Gate<I>,
  handler: (event: E, identity: I, ...rest: Rest) => Result | Promise<Result>,
): (event: E, ...rest: Rest) => Promise<Result | LambdaResult> {
  if (typeof gate?.authenticate !== 'function')
    throw new TypeError('"gate" must be a gate: lambda(createGate({ … }), handler)')
  if (typeof handler !== 'function') throw new TypeError('"handler" must be a function')
  const backgroundOf = lambdaBackground()
  return async (event, ...rest) => {
    const view = fromLambdaEvent(event)
    const answer = gate.metadata(view)
    if (answer !== undefined) return resultOf(event, answer.status, answer.headers, answer.body)
    const background = backgroundOf()
    const decision = await gate.authenticate(view, background)
    const result = decision.ok
      ? await handler(event, decision.identity as I, ...rest)
      : await refusalOf<Result>(event, decision, gate.cors, rest)
    await background.settled()
    return decision.ok && decision.headers !== undefined
      ? withFields(event, result, decision.headers)
      : result
  }
}

/** A CORS middleware that answers nothing leaves the answer to a preflight to the gate. */
async function refusalOf<Result>(
  event: LambdaEvent,
  decision: Denied | Preflight,
  cors: CorsMiddleware | undefined,
  rest: readonly unknown[],
): Promise<Result | LambdaResult> {
  const answer = decision.reason === 'preflight' ? await cors?.(...([event, ...rest] as never[])) : undefined
  if (answer !== undefined) return answer as Result
  const { status, headers, body } = answerOf(decision)
  return resultOf(event, status, headers as MetadataResponse['headers'], body)
}

function resultOf(event: LambdaEvent, status: number, headers: Fields, body: string): LambdaResult {
  const all = { ...headers } as Record<string, string>
  return { statusCode: status, headers: all, ...listed(event, all), body, isBase64Encoded: false }
}

/** A load balancer that sends lists of values reads lists only. */
function listed(
  event: LambdaEvent,
  headers: Record<string, string>,
): Pick<LambdaResult, 'multiValueHeaders'> {
  if (!isOfBalancer(event) || !isObject(event.multiValueHeaders as unknown)) return {}
  return {
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
  }
}

/** What a handler gave, with fields that must be there. Payload format 2.0 takes a body alone, which is 200 and JSON then. */
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
