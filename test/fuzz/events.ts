/** Arbitrary Lambda events, as JSON gives them, and what their `Authorization` fields say. */

import fc from 'fast-check'
import { readCredentials } from './credentials.ts'

export const GOOD = 'eyJh.Z29v_ZC1.b2s'
/** A token that the verifier of the tests cannot check. */
export const UNCLEAR = 'unclear'

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The status that is right for what stands in the `Authorization` field. */
export type Status = 200 | 400 | 401 | 503

/** @param values what stands in the field, one value for each line */
export function readLines(values: readonly unknown[]): Status {
  if (values.length === 0) return 401
  const [value] = values
  if (values.length > 1 || typeof value !== 'string') return 400
  const credentials = readCredentials(value)
  if (credentials.kind === 'other' || credentials.kind === 'blank') return 401
  if (credentials.kind !== 'bearer') return 400
  if (credentials.token === UNCLEAR) return 503
  return credentials.token === GOOD ? 200 : 401
}

/**
 * The lines of the field in an event. The lists of REST APIs and load balancers count where they name the field, because
 * the other member repeats the last value of each.
 */
export function authorizationOf(event: unknown): readonly unknown[] {
  if (!isObject(event)) return []
  const lists = linesIn(event.multiValueHeaders)
  return lists.length > 0 ? lists : linesIn(event.headers)
}

function linesIn(fields: unknown): readonly unknown[] {
  const lines: unknown[] = []
  if (!isObject(fields)) return lines
  for (const name of Object.keys(fields)) {
    if (!isAuthorization(name)) continue
    const value = fields[name]
    if (Array.isArray(value)) lines.push(...value)
    else if (value !== null) lines.push(value)
  }
  return lines
}

/** ASCII letters only: other letters become these in lower case as well. */
function isAuthorization(name: string): boolean {
  return name.length === 13 && /^[A-Za-z]+$/.test(name) && name.toLowerCase() === 'authorization'
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    7,
    '',
    [],
    {},
    [null],
    [[]],
    [7],
    { toString: 1 },
    { length: 1 },
  ),
  fc.constantFrom<unknown>([[`Bearer ${GOOD}`]], { 0: `Bearer ${GOOD}` }, { value: `Bearer ${GOOD}` }, [{}]),
  fc.jsonValue({ maxDepth: 2 }),
)

const value = fc.oneof(
  { weight: 6, arbitrary: fc.constant(`Bearer ${GOOD}`) },
  { weight: 2, arbitrary: fc.constant(`Bearer ${UNCLEAR}`) },
  fc.constantFrom(
    ...[`bearer  ${GOOD}`, 'Bearer other', 'Bearer', 'Bearer ', '', ' ', GOOD, 'Basic YTpi'],
    ...[`Basic YTpi, Bearer ${GOOD}`, `Bearer ${GOOD}, Basic YTpi`, `Bearer ${GOOD},Bearer ${GOOD}`],
    ...[`Bearer ${GOOD} `, ` Bearer ${GOOD}`, `Bearer\t${GOOD}`, `Bearer\u00a0${GOOD}`, `BEARER ${GOOD}=`],
    ...[`DPoP ${GOOD}`, `Bearer ${'a'.repeat(8_193)}`, `Digest username="a", Bearer ${GOOD}`],
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
)
const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('Authorization', 'authorization') },
  fc.constantFrom(
    ...['AUTHORIZATION', 'aUTHORIZATION', 'authorizatIon', 'author\u0131zation', 'AUTHOR\u0130ZATION'],
    ...['authorization ', ' authorization', 'x-authorization', 'proxy-authorization', '__proto__', 'Cookie'],
    ...['Origin', 'Access-Control-Request-Method', 'Content-Type', 'X-Forwarded-Proto', 'Host'],
  ),
)

/** The members of an object as JSON has them: `__proto__` is one like the others. */
const fieldsOf = (entries: readonly (readonly [string, unknown])[]): unknown =>
  JSON.parse(`{${entries.map(([key, item]) => `${JSON.stringify(key)}:${JSON.stringify(item)}`).join(',')}}`)

const mostly = <T>(good: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: good as fc.Arbitrary<unknown> }, junk)

const ASKING = [
  ['Origin', 'https://app.example.com'],
  ['Access-Control-Request-Method', 'GET'],
] as const
/** Now and then the fields of a preflight. */
const asking = fc.constantFrom([], [...ASKING])

const singles = mostly(
  fc
    .tuple(asking, fc.array(fc.tuple(name, mostly(value)), { maxLength: 2 }))
    .map(([first, entries]) => fieldsOf([...first, ...entries])),
)
const lists = mostly(
  fc
    .tuple(
      asking,
      fc.array(fc.tuple(name, mostly(fc.array(mostly(value), { maxLength: 2 }))), { maxLength: 2 }),
    )
    .map(([first, entries]) => fieldsOf([...first.map(([key, text]) => [key, [text]] as const), ...entries])),
)
const fields = {
  headers: singles,
  body: mostly(fc.constantFrom(null, '', `access_token=${GOOD}`, btoa(`access_token=${GOOD}`))),
}
const base64 = mostly(fc.boolean())
const method = mostly(fc.constantFrom('GET', 'POST', 'OPTIONS', 'OPTIONS', 'options'))
const query = mostly(fc.constantFrom(null, {}, { access_token: GOOD }, { a: 'b' }))
const queries = mostly(fc.constantFrom(null, {}, { access_token: [GOOD] }, { access_token: [GOOD, GOOD] }))
const path = mostly(
  fc.constantFrom(
    '/',
    '/me',
    '/me?a=b',
    '/a/b',
    '//',
    '/.well-known/oauth-protected-resource',
    '/.well-known/',
  ),
)
const http = mostly(
  fc.record({ http: mostly(fc.record({ method })), stage: mostly(fc.constantFrom('$default', 'prod')) }),
)

const rest = fc.record(
  {
    ...fields,
    multiValueHeaders: lists,
    httpMethod: method,
    path,
    queryStringParameters: query,
    multiValueQueryStringParameters: queries,
    isBase64Encoded: base64,
    requestContext: mostly(fc.constant({ stage: 'prod' })),
  },
  { requiredKeys: [] },
)
/** A load balancer sends the one or the other. */
const balancer = fc.record(
  {
    ...fields,
    multiValueHeaders: lists,
    httpMethod: method,
    path,
    queryStringParameters: query,
    isBase64Encoded: base64,
    requestContext: mostly(fc.constant({ elb: { targetGroupArn: 'arn:aws:elasticloadbalancing' } })),
  },
  { requiredKeys: ['requestContext'] },
)
const api = fc.record(
  {
    version: mostly(fc.constant('2.0')),
    ...fields,
    rawPath: path,
    rawQueryString: mostly(fc.constantFrom('', `access_token=${GOOD}`)),
    cookies: mostly(fc.constantFrom([], ['a=b'], [`session=${GOOD}`], [`session=${GOOD}; a=b`, 'c=d'])),
    isBase64Encoded: base64,
    requestContext: http,
  },
  { requiredKeys: ['version'] },
)
export const event: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: rest },
  { weight: 4, arbitrary: balancer },
  { weight: 4, arbitrary: api },
  junk,
)

const arn = mostly(
  fc.constantFrom(
    ...[
      'arn:aws:execute-api:eu-west-1:1:abc/prod/GET/me',
      'arn:aws:execute-api:eu-west-1:1:abc/$default/GET/',
    ],
    ...[
      'arn:aws:execute-api:eu-west-1:1:abc/prod/GET/a*b',
      'arn:aws:execute-api:eu-west-1:1:abc/prod/GET/\u0024{aws:username}?/*',
    ],
    ...['arn:aws:execute-api:eu-west-1:1:abc/prod/GET', 'arn:aws:execute-api:eu-west-1:1:abc/prod', '', '*'],
  ),
)
const tokenAuthorizer = fc.record(
  { type: fc.constant('TOKEN'), authorizationToken: mostly(value), methodArn: arn, ...fields },
  { requiredKeys: ['type'] },
)
const requestAuthorizer = fc
  .tuple(
    event,
    fc.record({ type: mostly(fc.constant('REQUEST')), methodArn: arn, routeArn: arn }, { requiredKeys: [] }),
  )
  .map(([given, more]) => (isObject(given) ? { ...given, ...more } : given))

export const authorizerEvent: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: tokenAuthorizer },
  { weight: 4, arbitrary: requestAuthorizer },
  event,
)
