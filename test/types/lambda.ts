/** Lambda handlers: the events and results of `@types/aws-lambda` fit, and the identity comes through. */

import { createGate, type Identity, opaque } from '@bearergate/core'
import {
  fromLambdaEvent,
  type LambdaAuthorizerContext,
  type LambdaResult,
  lambda,
  lambdaAuthorizer,
} from '@bearergate/core/lambda'
import type {
  ALBEvent,
  ALBHandler,
  APIGatewayAuthorizerHandler,
  APIGatewayProxyEvent,
  APIGatewayProxyEventV2,
  APIGatewayProxyHandler,
  APIGatewayProxyHandlerV2,
  APIGatewayRequestAuthorizerEvent,
  APIGatewayRequestAuthorizerEventV2,
  APIGatewayRequestAuthorizerHandler,
  APIGatewayRequestAuthorizerWithContextHandler,
  APIGatewayRequestIAMAuthorizerHandlerV2,
  APIGatewayRequestSimpleAuthorizerHandlerV2,
  APIGatewayRequestSimpleAuthorizerHandlerV2WithContext,
  APIGatewayTokenAuthorizerEvent,
  APIGatewayTokenAuthorizerHandler,
  Context,
  LambdaFunctionURLEvent,
} from 'aws-lambda'
import { expectType } from './assertions.ts'

const gate = createGate({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
const users = createGate({ verifier: opaque<{ team: string }>({ lookup: () => null }) })

const rest = lambda(gate, async (event: APIGatewayProxyEvent, identity, context: Context) => {
  expectType<Identity>()(identity)
  return { statusCode: 200, body: `${event.resource} ${context.awsRequestId}` }
})
expectType<Promise<{ statusCode: number; body: string } | LambdaResult>>()(
  rest({} as APIGatewayProxyEvent, {} as Context),
)
const asRest: APIGatewayProxyHandler = async (event, context) => rest(event, context)
const asHttp: APIGatewayProxyHandlerV2 = async (event) =>
  lambda(gate, (sent: APIGatewayProxyEventV2, { subject }) => ({
    statusCode: 200,
    body: `${sent.rawPath} ${subject}`,
  }))(event)
const asBalancer: ALBHandler = async (event) =>
  lambda(gate, (_sent: ALBEvent, { subject }) => ({ statusCode: 200, body: subject ?? '' }))(event)
lambda(gate, (event: LambdaFunctionURLEvent) => event.rawPath)
lambda(users, (_event, identity) => {
  expectType<string>()(identity.claims.team)
  return {}
})
fromLambdaEvent({} as APIGatewayProxyEvent)

const authorizer = lambdaAuthorizer(gate, { policyScope: 'stage' })
authorizer({} as APIGatewayTokenAuthorizerEvent)
authorizer({} as APIGatewayRequestAuthorizerEvent)
authorizer({} as APIGatewayRequestAuthorizerEventV2)
const handlers: readonly [
  APIGatewayAuthorizerHandler,
  APIGatewayTokenAuthorizerHandler,
  APIGatewayRequestAuthorizerHandler,
  APIGatewayRequestAuthorizerWithContextHandler<LambdaAuthorizerContext>,
  APIGatewayRequestSimpleAuthorizerHandlerV2,
  APIGatewayRequestSimpleAuthorizerHandlerV2WithContext<LambdaAuthorizerContext>,
  APIGatewayRequestIAMAuthorizerHandlerV2,
] = [
  lambdaAuthorizer(gate),
  lambdaAuthorizer(gate),
  lambdaAuthorizer(gate, { policyScope: 'stage' }),
  lambdaAuthorizer(gate, { response: 'policy' }),
  lambdaAuthorizer(gate),
  lambdaAuthorizer(gate, { response: 'simple' }),
  lambdaAuthorizer(gate, { response: 'policy' }),
]
// @ts-expect-error
lambdaAuthorizer(gate, { policyScope: 'everything' })
// @ts-expect-error
lambda(gate)

export { asBalancer, asHttp, asRest, handlers }

// A requirement gets the event.
lambda(gate, async (_event: APIGatewayProxyEventV2) => ({ statusCode: 204 }), {
  requirement: async (identity, event) => {
    expectType<APIGatewayProxyEventV2>()(event)
    return event.pathParameters?.id === identity.subject
  },
})
