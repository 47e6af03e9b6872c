/** Hosts of functions that translate requests themselves: serverless-http and Azure Functions. */

import { createGate, type Gate, scope, staticTokens } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import express5 from 'express'
import express4 from 'express4'
import { describe, expect, it } from 'vitest'
import { areInstalled, load } from '../support/optional.ts'

const TOKEN = 'token-of-emma-1234567890'
const verifier = staticTokens([{ token: TOKEN, subject: 'emma', scopes: ['read'] }])
const gate = createGate({ verifier }) as Gate
const GOOD = `Bearer ${TOKEN}`
const BAD = 'Bearer token-of-nobody-12345678'

describe.skipIf(!areInstalled('serverless-http'))('serverless-http', () => {
  interface Result {
    readonly statusCode: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
  }
  type Handler = (event: object, context: object) => Promise<Result>

  const EVENTS: readonly (readonly [string, (headers: Readonly<Record<string, string>>) => object])[] = [
    [
      'a REST API',
      (headers) => ({
        httpMethod: 'GET',
        path: '/messages',
        headers,
        multiValueHeaders: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, [value]]),
        ),
        requestContext: { stage: 'prod', httpMethod: 'GET' },
        body: null,
        isBase64Encoded: false,
      }),
    ],
    [
      'an HTTP API',
      (headers) => ({
        version: '2.0',
        rawPath: '/messages',
        rawQueryString: '',
        headers,
        requestContext: {
          http: { method: 'GET', path: '/messages', sourceIp: '192.0.2.1' },
          stage: '$default',
        },
        isBase64Encoded: false,
      }),
    ],
  ]

  describe.each([
    ['Express 4', express4],
    ['Express 5', express5],
  ] as const)('with %s', (_, express) => {
    it.each(EVENTS)(
      'serverless-http answers events of %s by their token (FIELD-HELD-27)',
      async (_name, create) => {
        const auth = bearer(gate)
        const app = express().use(auth)
        app.get('/messages', auth.requireScope('read'), (request, response) => {
          response.json({ hello: auth.identity(request).subject })
        })
        const handler = load<(app: unknown) => Handler>('serverless-http')(app)
        const ask = (headers: Readonly<Record<string, string>>) => handler(create(headers), {})
        expect(await ask({ authorization: GOOD })).toMatchObject({
          statusCode: 200,
          body: '{"hello":"emma"}',
        })
        const refused = await ask({ authorization: BAD })
        expect(refused.statusCode).toBe(401)
        expect(refused.headers['www-authenticate']).toContain('error="invalid_token"')
        const without = await ask({})
        expect([without.statusCode, without.headers['www-authenticate']]).toEqual([401, 'Bearer realm="api"'])
      },
    )
  })
})

describe.skipIf(!areInstalled('@azure/functions'))('Azure Functions', () => {
  interface Azure {
    readonly HttpRequest: new (init: object) => Request
    /** Made of what a handler returns, as the worker does before it sends it to the host. */
    readonly HttpResponse: new (
      init: object,
    ) => Response
    readonly InvocationContext: new (init?: object) => { readonly invocationId: string }
  }

  const azure = () => load<Azure>('@azure/functions')
  const request = (headers: Readonly<Record<string, string>>, more: object = {}) =>
    new (azure().HttpRequest)({
      method: 'GET',
      url: 'https://acme.azurewebsites.net/api/messages?page=1',
      headers,
      ...more,
    })

  async function ask(handler: (request: Request, context: object) => Promise<Response>, sent: Request) {
    const { HttpResponse, InvocationContext } = azure()
    const context = new InvocationContext({ invocationId: 'one', functionName: 'messages' })
    return new HttpResponse(await handler(sent, context))
  }

  it('requests of Azure Functions are answered by gate.protect (FIELD-HELD-28)', async () => {
    const handler = gate.protect(
      async (_request, identity, context: object) =>
        Response.json({ hello: identity.subject, id: (context as { invocationId: string }).invocationId }),
      { requirement: scope('read') },
    )
    const passed = await ask(handler, request({ authorization: GOOD }))
    expect([passed.status, await passed.json()]).toEqual([200, { hello: 'emma', id: 'one' }])
    const refused = await ask(handler, request({ authorization: BAD }))
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(await refused.json()).toMatchObject({ error: 'invalid_token' })
    const without = await ask(handler, request({}))
    expect([without.status, without.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="api"'])
    const writing = gate.protect(() => Response.json({}), { requirement: scope('write') })
    expect((await ask(writing, request({ authorization: GOOD }))).status).toBe(403)
  })

  it('requests of Azure Functions are decided by gate.authenticate (FIELD-HELD-28)', async () => {
    const handler = async (sent: Request) => {
      const decision = await gate.authenticate(sent)
      return decision.ok ? Response.json(decision.identity.subject) : decision.toResponse()
    }
    expect((await ask(handler, request({ authorization: GOOD }))).status).toBe(200)
    expect((await ask(handler, request({ authorization: 'Bearer a b' }))).status).toBe(400)
    expect((await ask(handler, request({}))).status).toBe(401)
  })

  it('a function of Azure reads the form that contained the token (FIELD-HELD-28)', async () => {
    const byForm = createGate({ verifier, tokenFrom: { form: true } })
    const handler = byForm.protect(async (sent) =>
      Response.json(new URLSearchParams(await sent.text()).get('a')),
    )
    const form = (token: string) =>
      request(
        { 'content-type': 'application/x-www-form-urlencoded' },
        { method: 'POST', body: { string: `access_token=${token}&a=b` } },
      )
    const passed = await ask(handler, form(TOKEN))
    expect([passed.status, await passed.json()]).toEqual([200, 'b'])
    expect((await ask(handler, form('nobody'))).status).toBe(401)
  })
})
