/** The raw token of a request, for forwarding: the same on every host. */

import { inspect } from 'node:util'
import {
  authenticateUpgrade,
  createGate,
  type DecisionEvent,
  fromNodeRequest,
  type Gate,
  type Identity,
} from '@bearergate/core'
import { setDecision } from '@bearergate/core/adapter'
import * as bearerExpress from '@bearergate/express'
import { afterEach, describe, expect, it } from 'vitest'
import { type Route, type RouteHost, routeHosts, type Tell } from '../support/routes.ts'

const identityOf = (subject: string): Identity => ({
  kind: 'opaque',
  subject,
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
})

function gateOf(settings: object = {}): Gate<Identity | undefined> {
  return createGate({
    verifier: { verify: async () => ({ active: true, identity: identityOf('emma') }) },
    ...settings,
  }) as Gate<Identity | undefined>
}

const TOKEN = 'secret-of-emma'

describe.each(routeHosts)('$name', (host: RouteHost) => {
  let route: Route | undefined
  afterEach(() => route?.close())

  async function ask(gate: Gate<Identity | undefined>, tell: Tell, headers: readonly string[], path = '/') {
    route = await host.start(gate, tell)
    return JSON.parse((await route.send(path, { headers })).text)
  }
  const tellToken: Tell = ({ token }) => ({ token: token() })
  const tellError: Tell = ({ identity, token }) => {
    try {
      return { token: token() }
    } catch (error) {
      return { error: String(error), isAnonymous: identity === undefined }
    }
  }

  it('gives a handler the token that the client sent', async () => {
    expect(await ask(gateOf(), tellToken, ['Authorization', `Bearer ${TOKEN}`])).toEqual({ token: TOKEN })
  })

  it('gives a handler the token of each place that the gate reads', async () => {
    const gate = gateOf({ tokenFrom: { cookie: 'session' } })
    expect(await ask(gate, tellToken, ['Cookie', `a=b; session=${TOKEN}`])).toEqual({ token: TOKEN })
    await route?.close()
    const byQuery = gateOf({ tokenFrom: { query: true } })
    expect(await ask(byQuery, tellToken, [], `/?access_token=${TOKEN}`)).toEqual({ token: TOKEN })
  })

  it('throws a TypeError for a request that passed without a token', async () => {
    const { error, isAnonymous } = await ask(gateOf({ optional: true }), tellError, [])
    expect(error).toBe('TypeError: this request passed without a token: check that it has an identity first')
    expect(isAnonymous).toBe(true)
  })

  it('does not show the token in decisions, events and identities', async () => {
    const events: DecisionEvent<Identity | undefined>[] = []
    const gate = gateOf({ onDecision: (event: DecisionEvent) => events.push(event) })
    const tell: Tell = ({ identity }) => ({ shown: inspect(identity, { showHidden: true, depth: 9 }) })
    const { shown } = await ask(gate, tell, ['Authorization', `Bearer ${TOKEN}`])
    expect(shown).toContain('emma')
    expect(shown).not.toContain(TOKEN)
    expect(events).toHaveLength(1)
    const { decision } = events[0] as DecisionEvent
    expect(inspect(decision, { showHidden: true, depth: 9 }) + JSON.stringify(decision)).not.toContain(TOKEN)
  })
})

describe('gate.tokenOf', () => {
  const request = new Request('https://api.example.com', { headers: { authorization: `Bearer ${TOKEN}` } })

  it('finds the token of a form of a fetch Request, which the handler can still read', async () => {
    const gate = gateOf({ tokenFrom: { form: true } })
    const seen: unknown[] = []
    const handle = gate.protect(async (sent) => {
      seen.push(gate.tokenOf(sent), await sent.text())
      return new Response()
    })
    const body = `access_token=${TOKEN}&a=b`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    await handle(new Request('https://api.example.com', { method: 'POST', headers, body }))
    expect(seen).toEqual([TOKEN, body])
  })

  it('finds the token of a WebSocket subprotocol, which the server never sees', async () => {
    const gate = gateOf()
    const upgrade = {
      headers: { upgrade: 'websocket', 'sec-websocket-protocol': `chat, bearer.${TOKEN}` },
      rawHeaders: ['Upgrade', 'websocket', 'Sec-WebSocket-Protocol', `chat, bearer.${TOKEN}`],
    }
    const socket = { on: () => {}, end: () => {}, destroy: () => {}, destroyed: false }
    await authenticateUpgrade(gate, upgrade, socket)
    expect(gate.tokenOf(upgrade)).toBe(TOKEN)
    expect(JSON.stringify(upgrade)).not.toContain(TOKEN)
  })

  it('works for an adapter of your own, which calls setDecision', async () => {
    const gate = gateOf()
    const view = { header: () => `Bearer ${TOKEN}` }
    const decision = await gate.authenticate(view)
    const mine = {}
    if (decision.ok) setDecision(mine, gate, decision, view)
    expect(gate.tokenOf(mine)).toBe(TOKEN)
  })

  it('works after gate.authenticate for a fetch Request that setDecision got', async () => {
    const gate = gateOf()
    const given = new Request(request)
    const decision = await gate.authenticate(given)
    expect(() => gate.tokenOf(given)).toThrow('call setDecision() of @bearergate/core/adapter')
    if (decision.ok) setDecision(given, gate, decision)
    expect(() => gate.tokenOf(given)).toThrow('setDecision(carrier, gate, decision, request)')
    if (decision.ok) setDecision(given, gate, decision, given)
    expect(gate.tokenOf(given)).toBe(TOKEN)
  })

  it('throws a TypeError for a request that another gate let pass, or none', async () => {
    const [one, other] = [gateOf(), gateOf()]
    await one.protect(() => new Response())(request)
    expect(one.tokenOf(request)).toBe(TOKEN)
    expect(() => other.tokenOf(request)).toThrow(TypeError)
    expect(() => one.tokenOf(new Request(request))).toThrow('did not run for this request')
    expect(() => one.tokenOf(fromNodeRequest({ headers: {} }))).toThrow(TypeError)
  })

  it('is the token that was verified, also if a middleware changes the request afterwards', async () => {
    const seen: string[] = []
    const auth = bearerExpress.bearer(gateOf())
    const { default: express } = await import('express')
    const { listen, send } = await import('../support/server.ts')
    const app = express()
    app.use(auth, (incoming, response) => {
      incoming.headers.authorization = 'Bearer other'
      seen.push(auth.token(incoming))
      response.end()
    })
    const { origin, close } = await listen(app)
    await send(origin, { headers: ['Authorization', `Bearer ${TOKEN}`] })
    await close()
    expect(seen).toEqual([TOKEN])
  })
})
