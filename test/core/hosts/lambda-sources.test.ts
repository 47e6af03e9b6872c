/** Events that reach a Lambda function from elsewhere than an HTTP or REST API: warm-ups, VPC Lattice, WebSocket APIs. */

import { createGate, staticTokens } from '@bearergate/core'
import { lambda, lambdaAuthorizer } from '@bearergate/core/lambda'
import { expect, it } from 'vitest'

const gate = createGate({
  verifier: staticTokens([{ token: 'token-of-emma-1234567890', subject: 'emma', scopes: ['chat'] }]),
})
const GOOD = 'Bearer token-of-emma-1234567890'
const BAD = 'Bearer token-of-nobody-123456789'

const handler = lambda(gate, (_event: object, identity) => ({ statusCode: 200, body: identity.subject }))
const statusOf = async (event: object) => (await handler(event as never)).statusCode

it.each<[string, object]>([
  ['serverless-plugin-warmup', { source: 'serverless-plugin-warmup' }],
  ['lambda-warmer', { warmer: true, concurrency: 3 }],
  [
    'a schedule of EventBridge',
    {
      version: '0',
      id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      resources: ['arn:aws:events:eu-central-1:123456789012:rule/warm'],
      detail: {},
    },
  ],
])('answers 401 to a warm-up event of %s, and throws nothing (FIELD-HELD-24)', async (_, event) => {
  expect(await statusOf(event)).toBe(401)
})

it('lets a wrapper answer warm-up events before the gate (FIELD-HELD-24)', async () => {
  const warm = async (event: { source?: string }) =>
    event.source === 'serverless-plugin-warmup' ? 'warm' : handler(event as never)
  expect(await warm({ source: 'serverless-plugin-warmup' })).toBe('warm')
  expect(await warm({ headers: { authorization: GOOD } } as object)).toMatchObject({ statusCode: 200 })
})

const LATTICE = {
  serviceNetworkArn: 'arn:aws:vpc-lattice:eu-central-1:123456789012:servicenetwork/sn-1',
  targetGroupArn: 'arn:aws:vpc-lattice:eu-central-1:123456789012:targetgroup/tg-1',
  identity: { sourceVpcArn: 'arn:aws:ec2:eu-central-1:123456789012:vpc/vpc-1' },
}

it.each<[string, (authorization: string) => object]>([
  [
    '1.0',
    (authorization) => ({
      raw_path: '/messages?page=1',
      method: 'GET',
      headers: { authorization, host: 'messages.example.com' },
      query_string_parameters: { page: '1' },
      body: null,
      is_base64_encoded: false,
    }),
  ],
  [
    '2.0',
    (authorization) => ({
      version: '2.0',
      path: '/messages?page=1',
      method: 'GET',
      headers: { authorization: [authorization], host: ['messages.example.com'] },
      queryStringParameters: { page: ['1'] },
      requestContext: LATTICE,
    }),
  ],
])('reads the token of VPC Lattice events in format %s (FIELD-HELD-25)', async (_, create) => {
  expect(await handler(create(GOOD) as never)).toMatchObject({ statusCode: 200, body: 'emma' })
  expect(await statusOf(create(BAD))).toBe(401)
  expect(await statusOf(create('Bearer a b'))).toBe(400)
})

it('answers 400 to a VPC Lattice event with two Authorization lines (FIELD-HELD-25)', async () => {
  const headers = { authorization: [GOOD, GOOD] }
  expect(await statusOf({ version: '2.0', path: '/', method: 'GET', headers, requestContext: LATTICE })).toBe(
    400,
  )
})

/** The event of a WebSocket API when a client connects: it has no HTTP method. */
const connect = (headers: Record<string, string>, query: Record<string, string> | null = null) => ({
  headers: { Host: 'chat.example.com', ...headers },
  multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
  queryStringParameters: query,
  multiValueQueryStringParameters:
    query && Object.fromEntries(Object.entries(query).map(([name, value]) => [name, [value]])),
  requestContext: {
    routeKey: '$connect',
    eventType: 'CONNECT',
    messageDirection: 'IN',
    stage: 'prod',
    connectionId: 'KZ3',
    apiId: 'a1b2',
  },
  isBase64Encoded: false,
})

it('authenticates $connect of a WebSocket API by Authorization (FIELD-HELD-26)', async () => {
  expect(await handler(connect({ Authorization: GOOD }) as never)).toMatchObject({
    statusCode: 200,
    body: 'emma',
  })
  expect(await statusOf(connect({ Authorization: BAD }))).toBe(401)
  expect(await statusOf(connect({}))).toBe(401)
})

it('authenticates $connect by the query only if that is configured (FIELD-HELD-26)', async () => {
  const event = connect({}, { access_token: GOOD.replace('Bearer ', '') })
  expect(await statusOf(event)).toBe(401)
  const verifier = staticTokens([{ token: GOOD.replace('Bearer ', ''), subject: 'emma' }])
  const byQuery = lambda(createGate({ verifier, tokenFrom: { query: true } }), () => ({ statusCode: 200 }))
  expect((await byQuery(event as never)).statusCode).toBe(200)
})

it('returns a policy for the route $connect as its authorizer (FIELD-HELD-26)', async () => {
  const methodArn = 'arn:aws:execute-api:eu-central-1:123456789012:a1b2/prod/$connect'
  const authorize = lambdaAuthorizer(gate)
  const event = (authorization: string) => ({
    type: 'REQUEST',
    methodArn,
    ...connect({ Authorization: authorization }),
  })
  expect(await authorize(event(GOOD))).toMatchObject({
    principalId: 'emma',
    policyDocument: { Statement: [{ Effect: 'Allow', Resource: methodArn }] },
  })
  await expect(authorize(event(BAD))).rejects.toThrow(/^Unauthorized$/)
})
