/** Tokens in the query and in forms (RFC 6750 §2.2, §2.3). */

import { createGate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { FORM, found, type Given, view } from '../../support/found.ts'

describe('in the query', () => {
  it.each([
    ['/?access_token=abc', 'abc in query'],
    ['/p?x=1&access_token=a%2Bb%3D', 'a+b= in query'],
    ['https://api.example.com/p?access_token=abc#x', 'abc in query'],
    ['*', 'no_credentials'],
    ['/?ACCESS_TOKEN=abc', 'no_credentials'],
    // FIELD14: a parameter without a value counts as absent, as in RFC 6749 §3.2.
    ['/?access_token', 'no_credentials'],
    ['/?access_token=', 'no_credentials'],
    ['/?access_token=+%09', 'no_credentials'],
    ['/?access_token=&access_token=a', 'multiple_credentials'],
    ['/?access_token=%00', 'malformed_credentials'],
    ['/?access_token=Bearer+a', 'malformed_credentials'],
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
    ['an empty text', { access_token: '' }, 'no_credentials'],
    ['a blank text', { access_token: ' ' }, 'no_credentials'],
    ['an empty text, and not ASCII elsewhere', { access_token: '', name: 'é' }, 'no_credentials'],
    ['an empty text, in parameters', new URLSearchParams('access_token=&name=é'), 'no_credentials'],
    ['an empty text and a token', { access_token: ['', 'abc'] }, 'multiple_credentials'],
    ['not ASCII elsewhere', { access_token: 'abc', name: 'é' }, 'malformed_credentials'],
    ['not ASCII in a name', { access_token: 'abc', é: '1' }, 'malformed_credentials'],
    ['not ASCII, without a token', { name: 'é' }, 'no_credentials'],
    ['twice', new URLSearchParams('access_token=a&access_token=a'), 'multiple_credentials'],
    ['not ASCII, in parameters', new URLSearchParams('access_token=a&b=é'), 'malformed_credentials'],
    ['a body that was not parsed', undefined, 'no_credentials'],
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
    expect(details).toEqual([
      'the form was not parsed, or its body was read before: on Express and Koa, mount a body parser before the gate, such as express.urlencoded()',
    ])
  })

  it('leaves a good token in the header if the parameter is blank (FIELD14)', async () => {
    expect(await form({ access_token: '' }, { authorization: 'Bearer abc' })).toBe('abc in header')
    expect(await found({ url: '/?access_token=', authorization: 'Bearer abc' })).toBe('abc in header')
  })
})
