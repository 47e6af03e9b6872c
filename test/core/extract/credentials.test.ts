/** Other places for a token: form, query, cookie, another header; from one place only (RFC 6750 §2). */

import { createGate, type RequestLike, type TokenSources } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { createExtract } from '#core/extract/extract.ts'
import { patternsMatched } from '../../support/patterns.ts'

const ALL: TokenSources = { form: true, query: true, cookie: 'token' }
const SPACES = ' '.repeat(16_000)
const FORM = 'application/x-www-form-urlencoded'

interface Given {
  readonly method?: string
  readonly url?: string
  readonly body?: unknown
  readonly [header: string]: unknown
}

function view({ method = 'POST', url = '/', body, ...headers }: Given): RequestLike {
  return { method, url, header: (name) => headers[name] as string | undefined, form: () => body }
}

async function found(given: Given, places: TokenSources = ALL): Promise<string> {
  const result = await createExtract(places)(view(given))
  return 'reason' in result ? result.reason : `${result.token} in ${result.source}`
}

describe('by default', () => {
  it('a token in query, form or cookie is ignored (A05, M03)', async () => {
    for (const given of [
      { url: '/?access_token=a' },
      { 'content-type': FORM, body: { access_token: 'a' } },
      { cookie: 'access_token=a' },
    ])
      expect(await found(given, {})).toBe('no_credentials')
  })
})

describe('in the query', () => {
  it.each([
    ['/?access_token=abc', 'abc in query'],
    ['/p?x=1&access_token=a%2Bb%3D', 'a+b= in query'],
    ['https://api.example.com/p?access_token=abc#x', 'abc in query'],
    ['*', 'no_credentials'],
    ['/?ACCESS_TOKEN=abc', 'no_credentials'],
    ['/?access_token', 'malformed_credentials'],
    ['/?access_token=', 'malformed_credentials'],
    ['/?access_token=a+b', 'malformed_credentials'],
    ['/?access_token=a%00', 'malformed_credentials'],
    ['/?access_token=a&access_token=a', 'multiple_credentials'],
    ['/?access_token[$ne]=', 'no_credentials'],
    ['/?access_token[]=a', 'no_credentials'],
    ['/?%61ccess_token=abc', 'abc in query'],
    [`/?access_token=${'a'.repeat(8193)}`, 'credentials_too_long'],
    ['//evil?access_token=abc', 'abc in query'],
  ])('%s is %s', async (url, expected) => {
    expect(await found({ url })).toBe(expected)
  })
})

describe('in a form', () => {
  const form = (body: unknown, more: Given = {}) => found({ 'content-type': FORM, body, ...more })

  it('accepts a token in a parsed body of POST, PUT and PATCH only (A04)', async () => {
    for (const method of ['POST', 'PUT', 'PATCH'])
      expect(await form({ access_token: 'abc' }, { method })).toBe('abc in form')
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'post'])
      expect(await form({ access_token: 'abc' }, { method })).toBe('no_credentials')
    expect(await form(new URLSearchParams('access_token=abc&x=1'))).toBe('abc in form')
    expect(await form(Promise.resolve(new URLSearchParams('access_token=abc')))).toBe('abc in form')
  })

  it.each([
    ['application/x-www-form-urlencoded; charset=utf-8', 'abc in form'],
    ['Application/X-WWW-Form-URLEncoded', 'abc in form'],
    ['application/json', 'no_credentials'],
    ['multipart/form-data; boundary=x', 'no_credentials'],
    ['application/x-www-form-urlencoded2', 'no_credentials'],
    [undefined, 'no_credentials'],
    [['application/x-www-form-urlencoded', 'application/json'], 'malformed_credentials'],
  ])('of the type %j is %s (A04)', async (type, expected) => {
    expect(await form({ access_token: 'abc' }, { 'content-type': type })).toBe(expected)
  })

  it.each([
    ['an object, as qs makes of access_token[$ne]', { access_token: { $ne: null } }, 'malformed_credentials'],
    ['a list', { access_token: ['a', 'b'] }, 'multiple_credentials'],
    ['a list of one', { access_token: ['a'] }, 'multiple_credentials'],
    ['a number', { access_token: 7 }, 'malformed_credentials'],
    ['an empty text', { access_token: '' }, 'malformed_credentials'],
    ['not ASCII elsewhere', { access_token: 'abc', name: 'é' }, 'malformed_credentials'],
    ['not ASCII in a name', { access_token: 'abc', é: '1' }, 'malformed_credentials'],
    ['not ASCII, without a token', { name: 'é' }, 'no_credentials'],
    ['twice', new URLSearchParams('access_token=a&access_token=a'), 'multiple_credentials'],
    ['not ASCII, in parameters', new URLSearchParams('access_token=a&b=é'), 'malformed_credentials'],
    ['a body that nobody parsed', undefined, 'no_credentials'],
    ['a text', 'access_token=abc', 'no_credentials'],
    ['a list of fields', [['access_token', 'abc']], 'no_credentials'],
    ['an inherited one', Object.create({ access_token: 'abc' }), 'no_credentials'],
  ])('with %s, is answered as expected (A04, BI02)', async (_, body, expected) => {
    expect(await form(body)).toBe(expected)
  })

  it('reports to the operator if no body parser has parsed the form', async () => {
    const details: unknown[] = []
    const gate = createGate({
      verifier: { verify: () => ({ active: false, reason: 'expired' }) },
      tokenFrom: { form: true },
      onDecision: ({ detail }) => details.push(detail),
    })
    await gate.authenticate(view({ 'content-type': FORM, body: undefined }))
    expect(details).toEqual(['nobody parsed the form'])
  })
})

describe('in a cookie', () => {
  it.each([
    ['token=abc', 'abc in cookie'],
    ['a=1; token=abc; b=2', 'abc in cookie'],
    ['a=1;token="abc"', 'abc in cookie'],
    ['token=a%2Bb%3D', 'a+b= in cookie'],
    ['token=abc==', 'abc== in cookie'],
    ['a=token=x', 'no_credentials'],
    ['token2=abc', 'no_credentials'],
    ['Token=abc', 'no_credentials'],
    ['token=', 'no_credentials'],
    ['token', 'no_credentials'],
    ['token=a b', 'malformed_credentials'],
    ['token=%zz', 'malformed_credentials'],
    ['token=abc; token=abc', 'multiple_credentials'],
    [['a=1', 'token=abc'], 'abc in cookie'],
    [['token=abc', 'token=abc'], 'multiple_credentials'],
    [7, 'malformed_credentials'],
    [`token=${'a'.repeat(8193)}`, 'credentials_too_long'],
    [' \ttoken\t=\tabc ', 'abc in cookie'],
    ['\u00a0token=abc', 'no_credentials'],
    ['\u000btoken=abc', 'no_credentials'],
    ['token\ufeff=abc', 'no_credentials'],
  ])('%j is %s', async (cookie, expected) => {
    expect(await found({ cookie })).toBe(expected)
  })
})

it.each([
  ['spaces before a cookie', `a=b;${SPACES}x`, 'no_credentials'],
  ['spaces within another cookie', `other=x${SPACES}y`, 'no_credentials'],
  ['a quote and spaces', `token="${SPACES}`, 'malformed_credentials'],
  ['semicolons', ';'.repeat(16_384), 'no_credentials'],
  ['equals signs', '='.repeat(16_384), 'no_credentials'],
])('reads 16 KiB of %s without matching a pattern against it (BI10)', async (_, cookie, expected) => {
  const [result, matched] = patternsMatched(() => found({ cookie }))
  expect(await result).toBe(expected)
  // A pattern could take time that grows with the square of what it is matched against.
  expect(matched.filter((length) => length > 100)).toEqual([])
})

it('does not read cookies of more than 16 KiB (BI10)', async () => {
  expect(await found({ cookie: `a=${'b'.repeat(16_384)}; token=abc` })).toBe('credentials_too_long')
})

describe('in another header', () => {
  it('is the whole value, and Authorization is no longer read', async () => {
    const places = { header: 'X-Access-Token' }
    expect(await found({ 'x-access-token': 'abc' }, places)).toBe('abc in header')
    expect(await found({ 'x-access-token': 'Bearer abc' }, places)).toBe('malformed_credentials')
    expect(await found({ 'x-access-token': ['a', 'b'] }, places)).toBe('multiple_credentials')
    expect(await found({ authorization: 'Bearer abc' }, places)).toBe('no_credentials')
  })
})

describe('in more than one place', () => {
  const places: Record<string, Given> = {
    header: { authorization: 'Bearer abc' },
    query: { url: '/?access_token=abc' },
    form: { 'content-type': FORM, body: { access_token: 'abc' } },
    cookie: { cookie: 'token=abc' },
  }
  const pairs = Object.keys(places).flatMap((one, index) =>
    Object.keys(places)
      .slice(index + 1)
      .map((other) => [one, other] as const),
  )

  it.each(pairs)(
    '%s and %s, is answered multiple_credentials even if both are equal (A03)',
    async (one, other) => {
      expect(await found({ ...places[one], ...places[other] })).toBe('multiple_credentials')
    },
  )

  it('counts a malformed token too (A03)', async () => {
    expect(await found({ authorization: 'Bearer', url: '/?access_token=abc' })).toBe('multiple_credentials')
  })

  it('is answered credentials_too_long if one of them is too long', async () => {
    const cookie = `a=${'b'.repeat(16_384)}`
    expect(await found({ authorization: 'Bearer abc', cookie })).toBe('credentials_too_long')
  })

  it('does not count another scheme', async () => {
    expect(await found({ authorization: 'Basic abc', url: '/?access_token=abc' })).toBe('abc in query')
  })

  it('accepts each place alone', async () => {
    for (const [name, given] of Object.entries(places)) expect(await found(given)).toBe(`abc in ${name}`)
  })
})

describe('a fetch Request', () => {
  const gate = createGate({
    verifier: {
      verify: (token) => ({
        active: true,
        identity: { kind: 'opaque', subject: token, audience: [], scopes: [], roles: [], claims: {} },
      }),
    },
    tokenFrom: { form: true },
  })
  const request = (body: string | null, type = FORM) =>
    new Request('https://api.example.com', { method: 'POST', body, headers: { 'content-type': type } })

  it('is read from a clone, so that the handler can read the body', async () => {
    const handle = gate.protect(async (given, identity) =>
      Response.json([identity.subject, await given.text()]),
    )
    const response = await handle(request('access_token=abc&x=1'))
    expect(await response.json()).toEqual(['abc', 'access_token=abc&x=1'])
  })

  it('is read up to 256 KiB', async () => {
    expect(await gate.authenticate(request(`access_token=abc&x=${'a'.repeat(262_144)}`))).toMatchObject({
      status: 400,
      reason: 'credentials_too_long',
    })
  })

  it('has no token if its body was read before, or if there is none', async () => {
    const used = request('access_token=abc')
    await used.text()
    for (const given of [used, request(null)])
      expect(await gate.authenticate(given)).toMatchObject({ status: 401, reason: 'no_credentials' })
  })

  it('is answered 503 if reading its body fails', async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const given = new Request('https://api.example.com', {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { 'content-type': FORM },
    } as RequestInit)
    expect(await gate.authenticate(given)).toMatchObject({ status: 503 })
  })
})
