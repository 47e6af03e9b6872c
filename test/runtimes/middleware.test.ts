/** Other middleware of Express applications, before and behind a gate. */

import { createGate, staticTokens } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import type { Express, RequestHandler } from 'express'
import express5 from 'express'
import express4 from 'express4'
import { describe, expect, it } from 'vitest'
import { areInstalled, load } from '../support/optional.ts'
import { listen, send } from '../support/server.ts'

const TOKEN = 'token-of-emma-1234567890'
const verifier = staticTokens([{ token: TOKEN, subject: 'emma' }])
/** A token in a cookie makes the gate add headers to what the application answers. */
const auth = bearer(createGate({ verifier, tokenFrom: { cookie: 'token' } }))
const BEARER = ['Authorization', `Bearer ${TOKEN}`]
const COOKIE = ['Cookie', `token=${TOKEN}`]

type Create = (options?: object) => RequestHandler

/** Sends a request to an application, and returns its answer. */
async function ask(app: Express, ...headers: readonly string[]) {
  const { origin, close } = await listen(app)
  try {
    return await send(origin, { headers })
  } finally {
    await close()
  }
}

const hello: RequestHandler = (request, response) => {
  response.set('cache-control', 'max-age=60').json({ hello: auth.identity(request).subject })
}

const isThere = areInstalled('helmet', 'compression', 'express-session')

describe.skipIf(!isThere).each([
  ['Express 4', express4],
  ['Express 5', express5],
] as const)('on %s', (_, express) => {
  describe('helmet', () => {
    const SET = {
      'content-security-policy': expect.stringContaining("default-src 'self'"),
      'strict-transport-security': expect.stringContaining('max-age='),
      'x-content-type-options': 'nosniff',
    }

    it.each(['before', 'behind'])(
      'helmet %s the gate adds its headers, and the gate its own (FIELD-HELD-29)',
      async (place) => {
        const helmet = load<Create>('helmet')()
        const app = express().use(...(place === 'before' ? [helmet, auth] : [auth, helmet]), hello)
        const refused = await ask(app)
        expect(refused).toMatchObject({ status: 401, challenges: ['Bearer realm="api"'] })
        expect(refused.headers['x-content-type-options']).toBe(place === 'before' ? 'nosniff' : undefined)
        for (const headers of [BEARER, COOKIE])
          expect(await ask(app, ...headers)).toMatchObject({
            status: 200,
            headers: SET,
            text: '{"hello":"emma"}',
          })
        expect((await ask(app, ...COOKIE)).headers['cache-control']).toBe('private, max-age=60')
      },
    )
  })

  describe('compression', () => {
    it.each(['before', 'behind'])(
      'compression %s the gate compresses what passes, and leaves the headers of the gate (FIELD-HELD-30)',
      async (place) => {
        const compression = load<Create>('compression')({ threshold: 0 })
        const long = 'hello '.repeat(10_000)
        const last: RequestHandler = (_request, response) => {
          response.set('cache-control', 'max-age=60').type('text').send(long)
        }
        const app = express().use(...(place === 'before' ? [compression, auth] : [auth, compression]), last)
        const { origin, close } = await listen(app)
        const fetched = (...headers: [string, string][]) => fetch(origin, { headers })
        const refused = await fetched(['accept-encoding', 'gzip'])
        expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="api"'])
        expect(JSON.parse(await refused.text())).toMatchObject({ error_description: expect.any(String) })
        for (const [name = '', value = ''] of [BEARER, COOKIE]) {
          const passed = await fetched(['accept-encoding', 'gzip'], [name, value])
          expect([passed.status, passed.headers.get('content-encoding')]).toEqual([200, 'gzip'])
          expect(await passed.text()).toBe(long)
          expect(passed.headers.get('cache-control')).toBe(
            name === 'Cookie' ? 'private, max-age=60' : 'max-age=60',
          )
        }
        await close()
      },
    )
  })

  describe('express-session', () => {
    it.each(['before', 'behind'])(
      'express-session %s the gate keeps its session from request to request (FIELD-HELD-31)',
      async (place) => {
        const session = load<Create>('express-session')({
          secret: 'a secret of the tests',
          resave: false,
          saveUninitialized: true,
        })
        const count: RequestHandler = (request, response) => {
          const { session } = request as unknown as { session: { views?: number } }
          session.views = (session.views ?? 0) + 1
          response.set('cache-control', 'max-age=60').json([auth.identity(request).subject, session.views])
        }
        const app = express().use(...(place === 'before' ? [session, auth] : [auth, session]), count)
        const first = await ask(app, ...BEARER)
        expect(first).toMatchObject({ status: 200, text: '["emma",1]' })
        const [cookie = ''] = (first.headers['set-cookie'] ?? []).map((line) => line.replace(/;.*/, ''))
        expect(cookie).toMatch(/^connect\.sid=/)
        expect(await ask(app, ...BEARER, 'Cookie', cookie)).toMatchObject({ text: '["emma",2]' })
        const byCookie = await ask(app, 'Cookie', `${cookie}; token=${TOKEN}`)
        expect(byCookie).toMatchObject({
          text: '["emma",3]',
          headers: { 'cache-control': 'private, max-age=60' },
        })
        // A session is no token.
        expect(await ask(app, 'Cookie', cookie)).toMatchObject({
          status: 401,
          challenges: ['Bearer realm="api"'],
        })
      },
    )
  })
})
