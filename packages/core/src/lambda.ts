/** AWS Lambda: events of API Gateway (REST and HTTP), load balancers and function URLs, and authorizers. `@bearergate/core/lambda`. */

import { isScopeToken } from './challenge.ts'
import type { Decision, Refusal } from './decision.ts'
import type { Background } from './fetch.ts'
import type { Gate } from './gate.ts'
import { type Identity, isObject, own, type Sender } from './identity.ts'
import type { PublicAnswer } from './metadata.ts'
import { oneOf, readOptions } from './options.ts'
import { deadlineIn, raceAbort } from './outbound.ts'
import { FormTooLong, MAX_FORM, type RequestView } from './request.ts'

/** What is read of an event: payload formats 1.0 and 2.0 of API Gateway, events of load balancers and of function URLs. */
export interface LambdaEvent {
  readonly version?: string | undefined
  readonly headers?: Fields | null | undefined
  readonly multiValueHeaders?: Lists | null | undefined
  readonly httpMethod?: string | undefined
  readonly path?: string | undefined
  readonly queryStringParameters?: Fields | null | undefined
  readonly multiValueQueryStringParameters?: Lists | null | undefined
  readonly rawPath?: string | undefined
  readonly rawQueryString?: string | undefined
  readonly cookies?: readonly string[] | undefined
  readonly body?: string | null | undefined
  readonly isBase64Encoded?: boolean | undefined
  /** Each kind of event has another one. */
  readonly requestContext?: unknown
}

type Fields = Readonly<Record<string, string | undefined>>
type Lists = Readonly<Record<string, string[] | undefined>>

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
export function lambda<I extends Sender, E extends LambdaEvent, Result, Rest extends unknown[] = []>(
  gate: Gate<I>,
  handler: (event: E, identity: I, ...rest: Rest) => Result | Promise<Result>,
): (event: E, ...rest: Rest) => Promise<Result | LambdaResult> {
  if (typeof handler !== 'function') throw new TypeError('"handler" must be a function')
  const backgroundOf = lambdaBackground()
  return async (event, ...rest) => {
    const view = lambdaRequest(event)
    const answer = gate.metadata(view)
    if (answer !== undefined) return resultOf(event, answer.status, answer.headers, answer.body)
    const background = backgroundOf()
    const decision = await gate.authenticate(view, background)
    const result = decision.ok ? await handler(event, decision.identity, ...rest) : refusalOf(event, decision)
    await background.settled()
    return decision.ok && decision.headers !== undefined
      ? withFields(event, result, decision.headers)
      : result
  }
}

/** How long an answer waits at most for what goes on in the background, in seconds. */
const PATIENCE = 1
/** For how long it does not wait again where that was not enough, in milliseconds. */
const IMPATIENT_FOR = 30_000

/** A function stands still once it has answered: what goes on in the background goes on beside the handler, or hardly at all. */
function lambdaBackground() {
  let waitsFrom = 0
  return (): Background & { settled(): Promise<void> } => {
    const work: Promise<unknown>[] = []
    return {
      waitUntil: (promise) => void work.push(promise),
      async settled() {
        if (work.length === 0 || performance.now() < waitsFrom) return
        await raceAbort(Promise.allSettled(work), deadlineIn(PATIENCE)).catch(() => {
          waitsFrom = performance.now() + IMPATIENT_FOR
        })
      },
    }
  }
}

/** The view of an event, for `gate.authenticate`. Whatever is no event has no credentials. */
export function lambdaRequest(event: LambdaEvent): RequestView {
  return new LambdaRequestView(isObject(event as unknown) ? event : {})
}

class LambdaRequestView implements RequestView {
  readonly #event: LambdaEvent

  constructor(event: LambdaEvent) {
    this.#event = event
  }

  /** API Gateway keeps the case in which a REST client sent a name, so that one name may be there in several. */
  header(name: string): string | readonly string[] | undefined {
    const { multiValueHeaders, headers, cookies } = this.#event
    if (name === 'cookie' && Array.isArray(cookies)) return cookies.join('; ')
    const lists = valuesOf(multiValueHeaders, name)
    const values = (lists.length > 0 ? lists : valuesOf(headers, name)) as string[]
    return values.length > 1 ? values : values[0]
  }

  get method(): string | undefined {
    const http: unknown = own(contextOf(this.#event), 'http')
    return this.#event.httpMethod ?? (isObject(http) ? (http.method as string) : undefined)
  }

  get url(): string {
    const { rawPath, rawQueryString = '', path = '/' } = this.#event
    if (typeof rawPath === 'string') {
      const pathname = withoutStage(rawPath, own(contextOf(this.#event), 'stage'))
      return rawQueryString === '' ? pathname : `${pathname}?${rawQueryString}`
    }
    const query = this.#query()
    return query === '' ? path : `${path}?${query}`
  }

  /** API Gateway and function URLs take nothing but https; a load balancer says itself what it took. */
  get secure(): boolean {
    return !isOfBalancer(this.#event) || this.header('x-forwarded-proto') === 'https'
  }

  form(): URLSearchParams | undefined {
    const { body, isBase64Encoded } = this.#event
    if (typeof body !== 'string') return undefined
    if (body.length > 2 * MAX_FORM) throw new FormTooLong()
    const text = isBase64Encoded === true ? decoded(body) : body
    if (text !== undefined && text.length > MAX_FORM) throw new FormTooLong()
    return text === undefined ? undefined : new URLSearchParams(text)
  }

  /** A load balancer gives the query as it came, API Gateway (REST) decoded. */
  #query(): string {
    const { multiValueQueryStringParameters: lists, queryStringParameters: single } = this.#event
    const pairs = Object.entries(lists ?? single ?? {}).flatMap(([name, value]) =>
      [value].flat().map((item) => [name, String(item ?? '')] as const),
    )
    if (isOfBalancer(this.#event)) return pairs.map((pair) => pair.join('=')).join('&')
    return new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, value])).toString()
  }
}

/** The values of all members that are called so, in any case; what is no text among them is seen as well, and refused. */
function valuesOf(fields: Fields | Lists | null | undefined, name: string): readonly unknown[] {
  if (!isObject(fields as unknown)) return []
  return Object.entries(fields as Fields | Lists)
    .filter(([key, value]) => value !== undefined && value !== null && key.toLowerCase() === name)
    .flatMap(([, value]): unknown => value)
}

/** HTTP APIs put the name of a stage before the path that was asked for. */
function withoutStage(rawPath: string, stage: unknown): string {
  if (typeof stage !== 'string' || stage === '$default' || !`${rawPath}/`.startsWith(`/${stage}/`))
    return rawPath
  return rawPath.slice(stage.length + 1) || '/'
}

function contextOf(event: LambdaEvent | null | undefined): Record<string, unknown> {
  const requestContext: unknown = event?.requestContext
  return isObject(requestContext) ? requestContext : {}
}

function isOfBalancer(event: LambdaEvent): boolean {
  return own(contextOf(event), 'elb') !== undefined
}

/** Nothing, where it is no base64. */
function decoded(base64: string): string | undefined {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)))
  } catch {
    return undefined
  }
}

function refusalOf(event: LambdaEvent, { status, headers, body }: Refusal): LambdaResult {
  return resultOf(event, status, headers as PublicAnswer['headers'], JSON.stringify(body))
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
  const others = (object: unknown) =>
    Object.fromEntries(
      Object.entries(isObject(object) ? object : {}).filter(
        ([name]) => !Object.keys(fields).some((field) => field.toLowerCase() === name.toLowerCase()),
      ),
    )
  const headers = { ...others(given.headers), ...fields } as Record<string, string>
  const lists = { ...listed(event, headers).multiValueHeaders, ...others(given.multiValueHeaders) }
  const multiValueHeaders = Object.keys(lists).length > 0 ? { multiValueHeaders: lists } : {}
  return { ...given, headers, ...multiValueHeaders } as unknown as LambdaResult
}

/** What is read of an authorizer's event besides. */
export interface LambdaAuthorizerEvent extends LambdaEvent {
  readonly type?: string
  readonly methodArn?: string
  readonly routeArn?: string | null
  /** Of a TOKEN authorizer: the value of the field that it is set up to read. */
  readonly authorizationToken?: string
}

/** What an authorizer tells the integration behind it: texts only, for API Gateway takes no others. */
export type LambdaAuthorizerContext = Record<string, string>

/** The answer to a REST API. */
export interface LambdaPolicy {
  principalId: string
  policyDocument: {
    Version: '2012-10-17'
    Statement: { Action: 'execute-api:Invoke'; Effect: 'Allow' | 'Deny'; Resource: string }[]
  }
  context: LambdaAuthorizerContext
}

/** The answer to an HTTP API with simple responses. */
export interface LambdaSimpleResponse {
  isAuthorized: boolean
  context: LambdaAuthorizerContext
}

/** What an event is answered with: those of payload format 2.0 have a `routeArn` in place of a `methodArn`. */
export type LambdaAuthorization<E> = E extends { methodArn: string }
  ? LambdaPolicy
  : E extends { routeArn: string }
    ? LambdaSimpleResponse
    : LambdaPolicy | LambdaSimpleResponse

export interface LambdaAuthorizerOptions {
  /**
   * What is answered: an IAM `policy`, for REST APIs and payload format 1.0, or the `simple` response of HTTP APIs. Default:
   * `simple` for payload format 2.0, `policy` otherwise.
   */
  response?: 'policy' | 'simple' | undefined
  /**
   * What a policy allows: the `method` that was asked for, the default, or the whole `stage` of the API. API Gateway keeps a
   * policy for a token: with `method`, turn that off (a TTL of 0), or name the method among the identity sources.
   */
  allow?: 'method' | 'stage' | undefined
}

/**
 * An authorizer of API Gateway. It can say less than an answer of one's own: 401 without a challenge (REST: by the error
 * `Unauthorized`), 403, and 500 where nobody could tell. Where you can, put `lambda(gate, …)` into the function itself.
 *
 * The context has `subject`, `issuer`, `clientId`, `tokenId`, `expiresAt`, `scopes`, separated by spaces, and `roles` and `claims`
 * as JSON.
 * @throws TypeError where an option is unknown or impossible
 */
export function lambdaAuthorizer<I extends Sender>(
  gate: Gate<I>,
  options: LambdaAuthorizerOptions & { response: 'policy' },
): (event: LambdaAuthorizerEvent) => Promise<LambdaPolicy>
export function lambdaAuthorizer<I extends Sender>(
  gate: Gate<I>,
  options: LambdaAuthorizerOptions & { response: 'simple' },
): (event: LambdaAuthorizerEvent) => Promise<LambdaSimpleResponse>
export function lambdaAuthorizer<I extends Sender>(
  gate: Gate<I>,
  options?: LambdaAuthorizerOptions,
): <E extends LambdaAuthorizerEvent>(event: E) => Promise<LambdaAuthorization<E>>
export function lambdaAuthorizer<I extends Sender>(
  gate: Gate<I>,
  options: LambdaAuthorizerOptions = {},
): (event: LambdaAuthorizerEvent) => Promise<LambdaPolicy | LambdaSimpleResponse> {
  const read = readOptions('lambdaAuthorizer', options, ['response', 'allow'])
  const response =
    read.response === undefined ? undefined : oneOf('response', read.response, ['policy', 'simple'])
  const allow = oneOf<'method' | 'stage'>('allow', read.allow, ['method', 'stage'])
  const backgroundOf = lambdaBackground()
  return async (event) => {
    const background = backgroundOf()
    const decision = await gate.authenticate(authorizerRequest(event), background)
    await background.settled()
    if (!decision.ok && decision.status === 503) throw new Error('The access token could not be checked')
    // API Gateway keeps what is said here for the token that came with a preflight, or that `optional` passed by: nobody has judged it.
    const isUnjudged = decision.ok && decision.identity === undefined && event?.type === 'TOKEN'
    if (isUnjudged || (decision.ok && decision.preflight)) throw new Error('Unauthorized')
    const isSimple = (response ?? (event?.version === '2.0' ? 'simple' : 'policy')) === 'simple'
    if (isSimple)
      return { isAuthorized: decision.ok, context: decision.ok ? contextFor(decision.identity) : {} }
    const resource = resourceOf(event, allow)
    if (resource === undefined || (!decision.ok && decision.status !== 403)) throw new Error('Unauthorized')
    return policyOf(decision, resource)
  }
}

/** What is asked of a request besides its token. */
const OTHER_FIELDS =
  /^(?:cookie|content-type|origin|access-control-.*|forwarded|via|x-forwarded-.*|x-real-ip)$/

/** A TOKEN authorizer is told the value of one field, and nothing else of the request. */
function authorizerRequest(event: LambdaAuthorizerEvent): RequestView {
  if (event?.type !== 'TOKEN') return lambdaRequest(event)
  return {
    header: (name) => (OTHER_FIELDS.test(name) ? undefined : event.authorizationToken),
    secure: true,
  }
}

function policyOf<I extends Sender>(decision: Decision<I>, resource: string): LambdaPolicy {
  const identity = decision.ok ? decision.identity : undefined
  const effect = decision.ok ? 'Allow' : 'Deny'
  return {
    principalId: identity?.subject ?? identity?.clientId ?? 'anonymous',
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect: effect, Resource: resource }],
    },
    context: contextFor(identity),
  }
}

/** `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH` */
function resourceOf(event: LambdaAuthorizerEvent, allow: 'method' | 'stage'): string | undefined {
  const arn: unknown = event?.methodArn ?? event?.routeArn
  if (typeof arn !== 'string' || arn === '') return undefined
  return allow === 'method' ? literal(arn) : `${arn.split('/').slice(0, 2).join('/')}/*`
}

/** The path is what a client sent: none of it is a pattern or a variable of IAM. */
function literal(arn: string): string {
  const [api = '', stage = '', method = '', ...path] = arn.split('/')
  const escaped = path.map((part) => part.replaceAll(/[*?]|\$(?=\{)/g, (character) => `\${${character}}`))
  return [api, stage, method, ...escaped].join('/')
}

/** Nothing, where it is nothing that JSON can say. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

function contextFor(identity: Identity<unknown> | undefined): LambdaAuthorizerContext {
  if (identity === undefined) return {}
  const { subject, issuer, clientId, tokenId, scopes, roles, expiresAt, claims } = identity
  const all = {
    subject,
    issuer,
    clientId,
    tokenId,
    scopes: scopes.filter(isScopeToken).join(' '),
    roles: JSON.stringify(roles),
    expiresAt: expiresAt?.toString(),
    claims: jsonOf(claims),
  }
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
