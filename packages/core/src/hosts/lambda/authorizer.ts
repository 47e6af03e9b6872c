/** Implements Lambda authorizers of API Gateway, for REST and HTTP APIs, with policies and simple responses. */

import { TOKEN_FIELD } from '../../gate/attachments.ts'
import type { Gate } from '../../gate/interface.ts'
import { assertOneOf, readOptions } from '../../lib/assert.ts'
import { isScopeToken } from '../../lib/syntax.ts'
import type { Decision } from '../../model/decision.ts'
import type { Identity } from '../../model/identity.ts'
import type { RequestLike } from '../../request/request.ts'
import { lambdaBackground } from './background.ts'
import { fromLambdaEvent, type LambdaEvent } from './event.ts'

/** The members of an authorizer's event that are read, in addition to those of `LambdaEvent`. */
export interface LambdaAuthorizerEvent extends LambdaEvent {
  readonly type?: string
  readonly methodArn?: string
  readonly routeArn?: string | null
  /** The value of the header field that a TOKEN authorizer reads. */
  readonly authorizationToken?: string
}

/** The context that the integration receives. API Gateway accepts only strings. */
export type LambdaAuthorizerContext = Record<string, string>

/** An IAM policy: the answer to REST APIs and payload format 1.0. */
export interface LambdaPolicy {
  principalId: string
  policyDocument: {
    Version: '2012-10-17'
    Statement: { Action: 'execute-api:Invoke'; Effect: 'Allow' | 'Deny'; Resource: string }[]
  }
  context: LambdaAuthorizerContext
}

/** The answer to HTTP APIs with simple responses. */
export interface LambdaSimpleResponse {
  isAuthorized: boolean
  context: LambdaAuthorizerContext
}

/** The answer to an event. Events of payload format 2.0 have a `routeArn` instead of a `methodArn`. */
export type LambdaAuthorization<E> = E extends { methodArn: string }
  ? LambdaPolicy
  : E extends { routeArn: string }
    ? LambdaSimpleResponse
    : LambdaPolicy | LambdaSimpleResponse

export interface LambdaAuthorizerOptions {
  /**
   * The form of the answer: an IAM `policy` for REST APIs and payload format 1.0, or the `simple` response of HTTP APIs.
   * Default: `simple` for payload format 2.0, otherwise `policy`.
   */
  response?: 'policy' | 'simple' | undefined
  /**
   * The part of the API that a policy allows: the requested `method` and path, or the whole `stage`. Default `method`. API
   * Gateway caches a policy by token. So with `method`, set the cache TTL to 0, or add the method and the path to the identity
   * sources.
   */
  policyScope?: 'method' | 'stage' | undefined
}

/**
 * Creates an authorizer of API Gateway. Prefer `lambda(gate, …)` in the function itself if you can, because an authorizer
 * cannot send every answer: 401 has no challenge, and 503 becomes 500.
 *
 * The context contains `subject`, `issuer`, `clientId`, `tokenId`, `expiresAt`, `scopes` (separated by spaces), and `roles`
 * and `claims` as JSON.
 *
 * @example
 * export const handler = lambdaAuthorizer(gate, { response: 'simple' })
 * @throws TypeError if an option is unknown or impossible
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
    const decision = await gate.authenticate(authorizerRequest(event, gate), background)
    await background.settled()
    if (!decision.ok && decision.status === 503) throw new Error('The access token could not be checked')
    // API Gateway caches the answer by token. Preflights and anonymous requests have no checked token.
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

/**
 * Reads the request of an authorizer's event. A TOKEN authorizer receives only the value of one field, which is the field in
 * which the gate looks for a token first. Any other field is absent, so that no function of the application takes the token for
 * a request id.
 */
function authorizerRequest(event: LambdaAuthorizerEvent, gate: object): RequestLike {
  if (event?.type !== 'TOKEN') return fromLambdaEvent(event)
  const { [TOKEN_FIELD]: field = 'authorization' } = gate as { readonly [TOKEN_FIELD]?: string }
  return { header: (name) => (name === field ? event.authorizationToken : undefined), secure: true }
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

/** Returns the ARN that a policy covers. Its form is `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`. */
function resourceOf(event: LambdaAuthorizerEvent, allow: 'method' | 'stage'): string | undefined {
  const arn: unknown = event?.methodArn ?? event?.routeArn
  if (typeof arn !== 'string' || arn === '') return undefined
  return allow === 'method' ? literal(arn) : `${arn.split('/').slice(0, 2).join('/')}/*`
}

/** Escapes the path of an ARN. The client chose it, so it must not act as a pattern or a variable of IAM. */
function literal(arn: string): string {
  const [api = '', stage = '', method = '', ...path] = arn.split('/')
  const escaped = path.map((part) => part.replaceAll(/[*?]|\$(?=\{)/g, (character) => `\${${character}}`))
  return [api, stage, method, ...escaped].join('/')
}

/** Returns `undefined` if the value cannot be written as JSON. */
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
