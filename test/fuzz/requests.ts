/** Arbitrary requests, shaped like preflights, as each host presents them to a gate, and what a gate must answer. */

import { fromNodeRequest, type RequestLike } from '@bearergate/core'
import { fromLambdaEvent } from '@bearergate/core/lambda'
import fc from 'fast-check'
import { readCredentials } from './credentials.ts'

export const GOOD = 'eyJh.Z29v_ZC1.b2s'

/** A request as it was sent. */
export interface Sent {
  readonly method: string
  /** Field lines in their order, names in any case. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly query: string
  readonly body: string | undefined
}

const PREFLIGHT = [
  ['Origin', 'https://app.example.com'],
  ['Access-Control-Request-Method', 'POST'],
] as const

const name = (...all: readonly string[]) => fc.constantFrom(...all)
const field = fc.oneof(
  fc.tuple(name('Origin', 'origin', 'ORIGIN'), fc.constantFrom('https://app.example.com', 'null', '')),
  fc.tuple(
    name('Access-Control-Request-Method', 'access-control-request-method', 'ACCESS-CONTROL-REQUEST-METHOD'),
    fc.constantFrom('POST', 'DELETE', ''),
  ),
  fc.tuple(
    name('Authorization', 'authorization', 'AUTHORIZATION'),
    fc.constantFrom(
      ...[`Bearer ${GOOD}`, `bearer ${GOOD}`, 'Bearer other', 'Bearer', '', 'Basic YTpi', 'DPoP a', GOOD],
      ...[`Bearer ${GOOD}, Bearer ${GOOD}`, `Basic YTpi, Bearer ${GOOD}`, 'Negotiate'],
    ),
  ),
  fc.tuple(
    name('Cookie', 'cookie', 'COOKIE'),
    fc.constantFrom('a=b', `session=${GOOD}`, `a=b; session=${GOOD}`, 'session=other', 'session=', ''),
  ),
  fc.tuple(name('Content-Length', 'content-length'), fc.constantFrom('0', '00', '4', '', '-1')),
  fc.tuple(name('Transfer-Encoding', 'transfer-encoding'), fc.constantFrom('chunked', 'identity', '')),
  fc.tuple(
    name('Content-Type', 'content-type'),
    fc.constantFrom('application/x-www-form-urlencoded', 'text/plain', ''),
  ),
  fc.tuple(
    name(
      'Access-Control-Request-Headers',
      'X-Origin',
      'Proxy-Authorization',
      'X-HTTP-Method-Override',
      'Host',
    ),
    fc.constantFrom('authorization', `Bearer ${GOOD}`, 'OPTIONS', 'GET'),
  ),
)

/** The two fields of a preflight, or one of them, or none, and up to three others anywhere among them. */
export const sent: fc.Arbitrary<Sent> = fc
  .record({
    method: fc.oneof(
      { weight: 6, arbitrary: fc.constant('OPTIONS') },
      fc.constantFrom(
        'GET',
        'POST',
        'PUT',
        'PATCH',
        'HEAD',
        'options',
        'Options',
        'OPTION',
        'OPTIONSX',
        'PROPFIND',
      ),
    ),
    base: fc.oneof({ weight: 6, arbitrary: fc.constant([...PREFLIGHT]) }, fc.subarray([...PREFLIGHT])),
    others: fc.array(fc.tuple(field, fc.nat(5)), { maxLength: 3 }),
    query: fc.oneof(
      { weight: 6, arbitrary: fc.constant('') },
      fc.constantFrom(
        `access_token=${GOOD}`,
        'access_token=other',
        'access_token=',
        `access_token=${GOOD}&access_token=${GOOD}`,
        'a=b',
      ),
    ),
    body: fc.oneof(
      { weight: 6, arbitrary: fc.constant(undefined) },
      fc.constantFrom('', 'a=b', `access_token=${GOOD}`, 'access_token=other'),
    ),
  })
  .map(({ base, others, ...rest }) => ({
    ...rest,
    fields: others.reduce<Sent['fields']>((fields, [item, at]) => fields.toSpliced(at, 0, item), base),
  }))

/** What a host knows of the request: field lines as far as it tells them apart, and whether there is a body. */
export interface Known {
  readonly method: string
  lines(name: string): readonly string[]
  readonly hasBody: boolean
  /** The fields of a form, if there is one. */
  readonly form: string | undefined
}

export interface Presented {
  readonly host: string
  readonly request: Request | RequestLike
  readonly known: Known
}

const linesOf = ({ fields }: Sent, name: string) =>
  fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)

/** By the fields that frame a body (RFC 9112 §6.3). */
function isFramed(lines: Known['lines']): boolean {
  const lengths = lines('content-length')
  return lines('transfer-encoding').length > 0 || (lengths.length > 0 && lengths.join() !== '0')
}

/** Each host keeps lines apart, or joins them by a comma and perhaps a space. */
function known(sent: Sent, separator: string | undefined, more: Partial<Known> = {}): Known {
  const lines = (name: string) => {
    const all = linesOf(sent, name)
    return separator === undefined || all.length === 0
      ? all
      : [all.join(name === 'cookie' ? '; ' : separator)]
  }
  return { method: sent.method, lines, hasBody: isFramed(lines), form: sent.body, ...more }
}

const urlOf = ({ query }: Sent) => (query === '' ? '/me' : `/me?${query}`)

/** Names of fields of which Node drops all but the first line. */
const FIRST_ONLY = ['authorization', 'content-length', 'content-type', 'host']

/** As the parser of `node:http` gives it; HTTP/2 knows of the body by its stream. */
function onNode(sent: Sent, isHttp2: boolean): Presented {
  const headers: Record<string, string> = {}
  for (const [key] of sent.fields) {
    const name = key.toLowerCase()
    const lines = linesOf(sent, name)
    headers[name] = FIRST_ONLY.includes(name)
      ? (lines[0] as string)
      : lines.join(name === 'cookie' ? '; ' : ', ')
  }
  const hasBody = sent.body !== undefined && sent.body !== ''
  const request = {
    method: sent.method,
    url: urlOf(sent),
    headers,
    rawHeaders: sent.fields.flat(),
    body: sent.body === undefined ? undefined : Object.fromEntries(new URLSearchParams(sent.body)),
    ...(isHttp2 && { stream: { endAfterHeaders: !hasBody } }),
  }
  const byFields = known(sent, undefined)
  return {
    host: isHttp2 ? 'http2' : 'http',
    request: fromNodeRequest(request),
    known: isHttp2 ? { ...byFields, hasBody: byFields.hasBody || hasBody } : byFields,
  }
}

function onView(sent: Sent): Presented {
  const all = known(sent, undefined)
  const request: RequestLike = {
    method: sent.method,
    url: urlOf(sent),
    header(name) {
      const lines = all.lines(name)
      return lines.length > 1 ? lines : lines[0]
    },
    form: () => (sent.body === undefined ? undefined : new URLSearchParams(sent.body)),
  }
  return { host: 'view', request, known: all }
}

/** `Request` corrects the case of a method, and joins lines. A body is there if it has a type, too. */
function onFetch(sent: Sent): Presented {
  const headers = new Headers()
  for (const [name, value] of sent.fields) headers.append(name, value)
  const isBodiless = ['GET', 'HEAD'].includes(sent.method)
  const body = isBodiless || sent.body === undefined ? null : new TextEncoder().encode(sent.body)
  const request = new Request(`https://api.example.com${urlOf(sent)}`, { method: sent.method, headers, body })
  const all = known(sent, ', ')
  const hasTyped = body !== null && linesOf(sent, 'content-type').length > 0
  return {
    host: 'fetch',
    request,
    known: {
      ...all,
      method: request.method,
      hasBody: all.hasBody || hasTyped,
      form: body === null ? undefined : sent.body,
    },
  }
}

function onLambda(sent: Sent, kind: '1.0' | '2.0' | 'balancer'): Presented {
  const names = [...new Set(sent.fields.map(([name]) => (kind === '1.0' ? name : name.toLowerCase())))]
  const linesBy = (name: string) =>
    sent.fields
      .filter(([key]) => (kind === '1.0' ? key : key.toLowerCase()) === name)
      .map(([, value]) => value)
  const hasBody = sent.body !== undefined && sent.body !== ''
  const body =
    sent.body === undefined
      ? {}
      : { body: kind === '2.0' ? btoa(sent.body) : sent.body, isBase64Encoded: kind === '2.0' }
  const query = [...new URLSearchParams(sent.query)]
  const more = { multiValueHeaders: Object.fromEntries(names.map((name) => [name, linesBy(name)])) }
  const queries = {
    multiValueQueryStringParameters: Object.fromEntries(
      query.map(([name]) => [name, query.filter(([key]) => key === name).map(([, value]) => value)]),
    ),
  }
  const all = known(sent, kind === '2.0' ? ',' : undefined)
  const presented = { host: `lambda ${kind}`, known: { ...all, hasBody: all.hasBody || hasBody } }
  if (kind !== '2.0') {
    const requestContext = kind === 'balancer' ? { elb: {} } : { stage: 'prod' }
    const event = { httpMethod: sent.method, path: '/me', ...more, ...queries, ...body, requestContext }
    return { ...presented, request: fromLambdaEvent(event) }
  }
  const cookies = linesOf(sent, 'cookie')
  const headers = Object.fromEntries(
    names.filter((name) => name !== 'cookie').map((name) => [name, linesBy(name).join(',')]),
  )
  const requestContext = { http: { method: sent.method }, stage: '$default' }
  const event = {
    version: '2.0',
    rawPath: '/me',
    rawQueryString: sent.query,
    headers,
    cookies: cookies.flatMap((line) => line.split('; ')),
    ...body,
    requestContext,
  }
  return { ...presented, request: fromLambdaEvent(event) }
}

export function presentations(sent: Sent): readonly Presented[] {
  return [
    onView(sent),
    onNode(sent, false),
    onNode(sent, true),
    onFetch(sent),
    onLambda(sent, '1.0'),
    onLambda(sent, '2.0'),
    onLambda(sent, 'balancer'),
  ]
}

/** Fetch §4.8: what a browser asks before it sends a request, with nothing that is for the request itself. */
export function isPreflight({ method, lines, hasBody }: Known): boolean {
  const count = (name: string) => lines(name).length
  return (
    method === 'OPTIONS' &&
    count('origin') === 1 &&
    count('access-control-request-method') === 1 &&
    count('authorization') === 0 &&
    count('cookie') === 0 &&
    !hasBody
  )
}

export type Outcome = 'ok' | 'preflight' | 400 | 401

type Found = string | 'bad' | undefined

/** What a gate answers that looks for tokens in the `Authorization` field only. */
export function expectedOutcome(known: Known): Outcome {
  return outcomeOf([inAuthorization(known)], known)
}

/** What a gate answers that looks for tokens in all places. */
export function expectedAnywhere(known: Known, query: string): Outcome {
  return outcomeOf([inAuthorization(known), ofValues(valuesIn(query)), inCookie(known), inForm(known)], known)
}

function outcomeOf(places: readonly Found[], known: Known): Outcome {
  const found = places.filter((place) => place !== undefined)
  if (found.length > 1) return 400
  const [only] = found
  if (only === undefined) return isPreflight(known) ? 'preflight' : 401
  return only === 'bad' ? 400 : only === GOOD ? 'ok' : 401
}

function inAuthorization({ lines }: Known): Found {
  const all = lines('authorization')
  if (all.length !== 1) return all.length === 0 ? undefined : 'bad'
  const credentials = readCredentials(all[0] as string)
  if (credentials.kind === 'other' || credentials.kind === 'blank') return undefined
  return credentials.kind === 'bearer' ? credentials.token : 'bad'
}

const valuesIn = (text: string) =>
  text
    .split('&')
    .filter((pair) => pair.startsWith('access_token='))
    .map((pair) => pair.slice(13))

const ofValues = (values: readonly string[]): Found =>
  values.length > 1 ? 'bad' : values[0] === '' ? undefined : values[0]

function inCookie({ lines }: Known): Found {
  const values = lines('cookie')
    .flatMap((line) => line.split('; '))
    .filter((pair) => pair.startsWith('session='))
    .map((pair) => pair.slice(8))
  if (values.length > 1) return 'bad'
  return values[0] === '' ? undefined : values[0]
}

function inForm({ method, lines, form }: Known): Found {
  const types = lines('content-type')
  if (types.length > 1) return 'bad'
  if (!['POST', 'PUT', 'PATCH'].includes(method) || types[0] !== 'application/x-www-form-urlencoded')
    return undefined
  return form === undefined ? undefined : ofValues(valuesIn(form))
}
