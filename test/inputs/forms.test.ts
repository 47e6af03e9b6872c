/** Forms that cannot be searched for a token because of the client: too long, broken off, or never finished. */

import { createGate, type Decision, type Gate, type Identity, type RequestLike } from '@bearergate/core'
import { fromLambdaEvent, lambda } from '@bearergate/core/lambda'
import { describe, expect, it } from 'vitest'
import { eventually, pass, pendingDeadlines, stopClock, time } from '../support/clock.ts'
import { FORM } from '../support/found.ts'

stopClock()

const MAX = 262_144
const TOKEN = 'access_token=abc&x='
const PLACES = { form: true, query: true, cookie: 'session', header: true }

interface Sent {
  readonly body: string | ReadableStream
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: string
}

const asFetch = ({ body, headers, query = '' }: Sent): Request =>
  new Request(`https://api.example.com/${query}`, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'content-type': FORM, ...headers },
  } as RequestInit)

const v2 = ({ body, headers, query = '' }: Sent, isBase64Encoded: boolean) => ({
  version: '2.0',
  rawPath: '/',
  rawQueryString: query.slice(1),
  headers: { 'content-type': FORM, ...headers },
  requestContext: { http: { method: 'POST' } },
  body: isBase64Encoded ? base64(String(body)) : String(body),
  isBase64Encoded,
})

const v1 = ({ body, headers, query = '' }: Sent) => ({
  httpMethod: 'POST',
  path: '/',
  queryStringParameters: Object.fromEntries(new URLSearchParams(query)),
  headers: { 'content-type': FORM, ...headers },
  body: String(body),
})

const HOSTS: readonly [string, (sent: Sent) => Request | RequestLike][] = [
  ['fetch', asFetch],
  ['Lambda, payload format 2.0', (sent) => fromLambdaEvent(v2(sent, false))],
  ['Lambda, in base64', (sent) => fromLambdaEvent(v2(sent, true))],
  ['Lambda, payload format 1.0', (sent) => fromLambdaEvent(v1(sent))],
]

function base64(text: string): string {
  const bytes = new TextEncoder().encode(text)
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

const identity = (subject: string): Identity => ({
  kind: 'opaque',
  subject,
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
})
const gateOf = (settings: object = {}): Gate =>
  createGate({
    verifier: { verify: (token) => ({ active: true, identity: identity(token) }) },
    tokenFrom: PLACES,
    ...settings,
  })

const outcome = (decision: Decision) =>
  decision.ok ? `200 ${decision.identity.subject}` : `${decision.status} ${decision.reason}`
const ask = async (request: Request | RequestLike, gate = gateOf()) =>
  outcome(await gate.authenticate(request))

const OTHER_PLACES: readonly [string, Omit<Sent, 'body'>][] = [
  ['the header', { headers: { authorization: 'Bearer good' } }],
  ['the query', { query: '?access_token=good' }],
  ['a cookie', { headers: { cookie: 'session=good' } }],
]

describe.each(HOSTS)('a form on %s', (_, make) => {
  it('of 262,144 bytes is searched for a token', async () => {
    expect(await ask(make({ body: TOKEN.padEnd(MAX, 'a') }))).toBe('200 abc')
  })

  it.each([
    ['262,145 bytes', 'a'.repeat(MAX + 1)],
    ['262,145 bytes, with a token at its start', TOKEN.padEnd(MAX + 1, 'a')],
    ['262,145 bytes, with a token at its end', `x=${'a'.repeat(MAX)}&access_token=abc`],
    ['262,146 bytes in half as many characters', 'é'.repeat(MAX / 2 + 1)],
    ['2 MB', 'a'.repeat(2_000_000)],
  ])('of %s is answered 400 credentials_too_long', async (_what, body) => {
    expect(await ask(make({ body }))).toBe('400 credentials_too_long')
    expect(await ask(make({ body }), gateOf({ optional: true }))).toBe('400 credentials_too_long')
  })

  describe.each(OTHER_PLACES)('with a token in %s', (_place, sent) => {
    it('is allowed if it is too long to be searched', async () => {
      expect(await ask(make({ ...sent, body: 'a'.repeat(300_000) }))).toBe('200 good')
    })

    it('is answered 400 multiple_credentials if it is short and contains a token', async () => {
      expect(await ask(make({ ...sent, body: 'access_token=good' }))).toBe('400 multiple_credentials')
    })

    it('is answered 400 credentials_too_long if it is short and its token is too long', async () => {
      const body = `access_token=${'a'.repeat(8_193)}`
      expect(await ask(make({ ...sent, body }))).toBe('400 credentials_too_long')
    })
  })

  it('that is too long is answered like a request without it if another place is malformed', async () => {
    const body = 'a'.repeat(300_000)
    expect(await ask(make({ body, headers: { authorization: 'Bearer a b' } }))).toBe(
      '400 malformed_credentials',
    )
    const twice = { headers: { authorization: 'Bearer a' }, query: '?access_token=a' }
    expect(await ask(make({ body, ...twice }))).toBe('400 multiple_credentials')
    expect(await ask(make({ body, headers: { authorization: 'Basic YTpi' } }))).toBe(
      '400 credentials_too_long',
    )
  })
})

it('a Lambda handler answers 400 to a form that is too long, and never 503', async () => {
  const handler = lambda(gateOf(), () => ({ statusCode: 200 }))
  for (const event of [v1({ body: 'a'.repeat(MAX + 1) }), v2({ body: 'a'.repeat(600_000) }, true)])
    expect(await handler(event as never)).toMatchObject({ statusCode: 400 })
})

it('fields that look like a rejection do not hide a second token', async () => {
  const body = { access_token: 'abc', reason: 'credentials_too_long', detail: 'x' }
  const view = {
    method: 'POST',
    header: (name: string) => ({ 'content-type': FORM, authorization: 'Bearer good' })[name],
    form: () => body,
  }
  expect(await ask(view)).toBe('400 multiple_credentials')
})

describe('a fetch body that', () => {
  const broken = () =>
    new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('x=1')),
      pull: (controller) => controller.error(new Error('gone')),
    })
  /** Sends a first part, and nothing more. */
  const unfinished = (first = 'x=1') =>
    new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(first)) })

  it('the client breaks off is answered 400 malformed_credentials', async () => {
    const details: unknown[] = []
    const gate = gateOf({ onDecision: ({ detail }: { detail?: string }) => details.push(detail) })
    expect(await ask(asFetch({ body: broken() }), gate)).toBe('400 malformed_credentials')
    expect(details).toEqual(['the client did not finish the form'])
  })

  it('the client breaks off is ignored if the header has a token', async () => {
    const sent = { body: broken(), headers: { authorization: 'Bearer good' } }
    expect(await ask(asFetch(sent))).toBe('200 good')
  })

  it.each([
    [undefined, 8],
    [1, 0.8],
    [120, 96],
  ])(
    'the client does not finish within the deadline (%s) is answered 400 after %d s',
    async (deadline, due) => {
      const details: unknown[] = []
      const onDecision = ({ detail }: { detail?: string }) => details.push(detail)
      const decision = ask(
        asFetch({ body: unfinished('access_token=abc') }),
        gateOf({ deadline, onDecision }),
      )
      await eventually(() => pendingDeadlines().length > 1)
      pass(due)
      expect(await decision).toBe('400 malformed_credentials')
      expect(time()).toBeCloseTo(due)
      expect(details).toEqual(['the client did not finish the form in time'])
    },
  )

  it('the client does not finish is ignored after 8 s if the header has a token', async () => {
    const sent = { body: unfinished(), headers: { authorization: 'Bearer good' } }
    const decision = ask(asFetch(sent))
    await eventually(() => pendingDeadlines().length > 1)
    pass(8)
    expect(await decision).toBe('200 good')
  })

  it('is too long reaches the handler complete if the header has a token', async () => {
    const handle = gateOf().protect(async (request) => new Response(String((await request.text()).length)))
    const sent = { body: 'a'.repeat(1_000_000), headers: { authorization: 'Bearer good' } }
    expect(await (await handle(asFetch(sent))).text()).toBe('1000000')
  })
})

describe('a host of your own whose form()', () => {
  const view = (form: () => unknown): RequestLike => ({
    method: 'POST',
    header: (name) => ({ 'content-type': FORM })[name],
    form,
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('broken'))],
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
  ])('%s is answered 503, because the client may not be at fault', async (_, form) => {
    expect(await ask(view(form))).toBe('503 unavailable')
  })

  it('stays pending is answered 400 after 8 s', async () => {
    const decision = ask(view(() => new Promise(() => {})))
    await eventually(() => pendingDeadlines().length > 1)
    pass(8)
    expect(await decision).toBe('400 malformed_credentials')
  })
})
