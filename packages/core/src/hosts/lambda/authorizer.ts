/** Authorizers of API Gateway: REST and HTTP, by policies and by simple responses. */

import type { Gate } from '../../gate/gate.ts'
import { assertOneOf, readOptions } from '../../lib/assert.ts'
import { isScopeToken } from '../../lib/syntax.ts'
import type { Decision } from '../../model/decision.ts'
import type { Identity } from '../../model/identity.ts'
import type { RequestLike } from '../../request/request.ts'
import { lambdaBackground } from './background.ts'
import { fromLambdaEvent, type LambdaEvent } from './event.ts'

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
  policyScope?: 'method' | 'stage' | undefined
}

/**
 * An authorizer of API Gateway. It can say less than an answer of one's own: 401 without a challenge (REST: by the error
 * `Unauthorized`), 403, and 500 where nobody could tell. Where you can, put `lambda(gate, …)` into the function itself.
 *
 * The context has `subject`, `issuer`, `clientId`, `tokenId`, `expiresAt`, `scopes`, separated by spaces, and `roles` and `claims`
 * as JSON.
 * @throws TypeError where an option is unknown or impossible
 */
export function lambdaAuthorizer<I extends Identity<unknown> | undefined>(
  gate: Gate<I>,
  options: LambdaAuthorizerOptions & { response: 'policy' },
): (event: LambdaAuthorizerEvent) => Promise<LambdaPolicy>
export function lambdaAuthorizer<I extends Identity<unknown> | undefined>(
  gate: Gate<I>,
  options: LambdaAuthorizerOptions & { response: 'simple' },
): (event: LambdaAuthorizerEvent) => Promise<LambdaSimpleResponse>
export function lambdaAuthorizer<I extends Identity<unknown> | undefined>(
  gate: Gate<I>,
  options?: LambdaAuthorizerOptions,
): <E extends LambdaAuthorizerEvent>(event: E) => Promise<LambdaAuthorization<E>>
export function lambdaAuthorizer<I extends Identity<unknown> | undefined>(
  gate: Gate<I>,
  options: LambdaAuthorizerOptions = {},
): (event: LambdaAuthorizerEvent) => Promise<LambdaPolicy | LambdaSimpleResponse> {
  const read = readOptions('lambdaAuthorizer', options, ['response', 'policyScope'])
  const response =
    read.response === undefined ? undefined : assertOneOf('response', read.response, ['policy', 'simple'])
  const allow = assertOneOf<'method' | 'stage'>('policyScope', read.policyScope, ['method', 'stage'])
  const backgroundOf = lambdaBackground()
  return async (event) => {
    const background = backgroundOf()
    const decision = await gate.authenticate(authorizerRequest(event), background)
    await background.settled()
    if (!decision.ok && decision.status === 503) throw new Error('The access token could not be checked')
    // API Gateway caches the answer for the token, which neither a preflight nor an anonymous request has had checked.
    const isUnchecked = decision.ok && decision.identity === undefined && event?.type === 'TOKEN'
    if (isUnchecked) throw new Error('Unauthorized')
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
function authorizerRequest(event: LambdaAuthorizerEvent): RequestLike {
  if (event?.type !== 'TOKEN') return fromLambdaEvent(event)
  return {
    header: (name) => (OTHER_FIELDS.test(name) ? undefined : event.authorizationToken),
    secure: true,
  }
}

function policyOf<I extends Identity<unknown> | undefined>(
  decision: Decision<I>,
  resource: string,
): LambdaPolicy {
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
