/** More than one gate for a request: each helper decides by the gate that it belongs to (ATK10). */

import { createGate, type Gate, type Identity, scope } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { listen, type Sent, send } from '../support/server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

const identityOf = (subject: string, scopes: readonly string[]): Identity => ({
  kind: 'opaque',
  subject,
  audience: [],
  scopes,
  roles: [],
  claims: {},
})

/** A user without `admin`, by `Authorization`; a service with `admin`, by a field of its own. */
const users = createGate({
  verifier: { verify: (token) => ({ active: true, identity: identityOf(token, ['read']) }) },
})
const services: Gate<Identity | undefined> = createGate({
  verifier: { verify: (token) => ({ active: true, identity: identityOf(token, ['admin']) }) },
  tokenFrom: { header: 'X-Service' },
  optional: true,
})

const BOTH: Sent = { headers: ['Authorization', 'Bearer emma', 'X-Service', 'mesh'] }
const USER: Sent = { headers: ['Authorization', 'Bearer emma'] }

type Bound = 'users' | 'services' | 'free'

async function serve(listener: Parameters<typeof listen>[0], failures: unknown[]) {
  const { origin, close } = await listen(listener)
  closing.push(close)
  return { ask: async (sent: Sent) => (await send(origin, sent)).status, failures }
}

function onExpress(order: readonly ('users' | 'services')[], bound: Bound, name: string) {
  const failures: unknown[] = []
  const auth = { users: bearerExpress.bearer(users), services: bearerExpress.bearer(services) }
  const app = express()
  for (const gate of order) app.use(auth[gate])
  app.use(bound === 'free' ? bearerExpress.requireScope(name) : auth[bound].requireScope(name))
  app.use(bound === 'free' ? bearerExpress.authorize(scope(name)) : auth[bound].authorize(scope(name)))
  app.use((_request, response) => void response.json({}))
  app.use((cause: Error, _request: unknown, response: express.Response, _next: unknown) => {
    failures.push(cause)
    response.status(500).end()
  })
  return serve(app, failures)
}

function onKoa(order: readonly ('users' | 'services')[], bound: Bound, name: string) {
  const failures: unknown[] = []
  const auth = { users: bearerKoa.bearer(users), services: bearerKoa.bearer(services) }
  const app = new Koa()
  app.on('error', (cause) => failures.push(cause))
  for (const gate of order) app.use(auth[gate])
  app.use(bound === 'free' ? bearerKoa.requireScope(name) : auth[bound].requireScope(name))
  app.use(bound === 'free' ? bearerKoa.authorize(scope(name)) : auth[bound].authorize(scope(name)))
  app.use((context) => {
    context.body = {}
  })
  return serve(app.callback(), failures)
}

describe.each([
  ['Express', onExpress],
  ['Koa', onKoa],
])('on %s', (_, start) => {
  it.each([[['users', 'services'] as const], [['services', 'users'] as const]])(
    'requireScope of a gate decides by its own identity, with the gates mounted as %j (ATK10)',
    async (order) => {
      expect(await (await start(order, 'users', 'admin')).ask(BOTH)).toBe(403)
      expect(await (await start(order, 'services', 'admin')).ask(BOTH)).toBe(200)
      expect(await (await start(order, 'users', 'read')).ask(BOTH)).toBe(200)
    },
  )

  it('an optional second gate does not turn an authorized user into 401 (ATK10)', async () => {
    expect(await (await start(['users', 'services'], 'users', 'read')).ask(USER)).toBe(200)
    expect(await (await start(['users', 'services'], 'services', 'admin')).ask(USER)).toBe(401)
  })

  it('the helpers without a gate throw if more than one gate ran (ATK10)', async () => {
    for (const order of [['users', 'services'] as const, ['services', 'users'] as const])
      for (const sent of [BOTH, USER]) {
        const { ask, failures } = await start(order, 'free', 'read')
        expect(await ask(sent)).toBe(500)
        expect(failures).toEqual([expect.objectContaining({ name: 'TypeError' })])
        expect(String(failures[0])).toContain('use auth.authorize(…) or auth.requireScope(…)')
      }
  })

  it('the helpers without a gate use the only gate that ran, also if it ran twice', async () => {
    expect(await (await start(['users', 'users'], 'free', 'read')).ask(USER)).toBe(200)
    expect(await (await start(['users', 'users'], 'free', 'admin')).ask(USER)).toBe(403)
  })

  it('a helper throws a TypeError if its gate did not run, although another one did (ATK10)', async () => {
    const { ask, failures } = await start(['services'], 'users', 'read')
    expect(await ask(BOTH)).toBe(500)
    expect(String(failures[0])).toContain('this bearer() did not run for this request')
  })
})
