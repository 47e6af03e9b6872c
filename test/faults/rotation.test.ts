/** The issuer changes its keys, in order or in a hurry. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, answers, stalls } from './authorization-server.ts'
import { forgedToken, observe, tokenOf } from './client.ts'
import { pass, settled, stoppedClock } from './clock.ts'

let one: TestKey
let two: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  ;[one, two] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})
stoppedClock()
beforeEach(async () => {
  server = await AuthorizationServer.start(one)
})
afterEach(() => server.down())

describe('a rotation', () => {
  it('FX28 with overlap costs no token its pass', async () => {
    const { ask, events } = observe(server)
    const step = async (signers: readonly TestKey[], times: number) => {
      for (let time = 0; time < times; time += 1) {
        for (const signer of signers) expect(await ask(signer)).toBe('ok')
        pass(10)
      }
    }
    await step([one], 10)
    server.publish(one, two)
    await step([one], 70)
    await step([one, two], 70)
    server.publish(two)
    await step([two], 140)
    await settled(() => events.some((event) => event.type === 'refreshed' && event.removed === 1))
    expect(events.every(({ type }) => type === 'refreshed')).toBe(true)
  })

  it('FX29 without overlap has the first token of the new key wait for one refresh, right after a fetch too', async () => {
    const { ask, send } = observe(server)
    expect(await ask(one)).toBe('ok')
    server.publish(two)
    const tokens = await Promise.all(Array.from({ length: 100 }, () => tokenOf(two, server.origin)))
    const outcomes = await Promise.all(tokens.map(send))
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    expect(server.fetches).toBe(2)
  })

  it('FX29 is seen by a token that came while an older answer was under way', async () => {
    const { ask, send, events } = observe(server)
    expect(await ask(one)).toBe('ok')
    const token = await tokenOf(two, server.origin)
    let release = () => {}
    server.fault = (response, keySet) => {
      release = () => {
        server.fault = undefined
        server.publish(two)
        response.end(keySet)
      }
    }
    pass(541)
    expect(await ask(one)).toBe('ok')
    await settled(() => server.fetches === 2)
    const first = send(token)
    release()
    expect(await first).toBe('ok')
    expect(server.fetches).toBe(3)
    expect(events).toHaveLength(3)
  })

  it('FX30 that removes a key ends its tokens at the next refresh, kept results too', async () => {
    const { send, ask, events } = observe(server, { cache: {} })
    const kept = await tokenOf(one, server.origin, { exp: Date.now() / 1000 + 7200 })
    expect(await send(kept)).toBe('ok')
    server.publish(two)
    expect(await send(kept)).toBe('ok')
    pass(541)
    expect(await send(kept)).toBe('ok')
    await settled(() => events.length === 2)
    expect(await send(kept)).toBe('unknown_key')
    expect(await ask(one)).toBe('unknown_key')
    expect(await ask(two)).toBe('ok')
  })

  it('FX31 to other material under the same name spends from the same budget, then works', async () => {
    const { ask } = observe(server)
    expect(await ask(one)).toBe('ok')
    const renewed = await createKey('ES256', 'one')
    server.publish(renewed)
    expect(await ask(renewed)).toBe('ok')
    expect(await ask(one)).toBe('invalid_signature')
    expect(server.fetches).toBe(3)
    for (let time = 0; time < 50; time += 1) expect(await ask(one)).toBe('invalid_signature')
    expect(server.fetches).toBe(3)
  })

  it('B15 during an outage is answered 503, for nobody can tell whether the key is new', async () => {
    const { ask, decide, send } = observe(server)
    expect(await ask(one)).toBe('ok')
    server.publish(two)
    server.fault = answers['FX05 500']
    expect(await ask(two)).toBe('unavailable')
    const token = await tokenOf(two, server.origin)
    const decision = await decide(token)
    expect(decision).toMatchObject({ ok: false, status: 503, headers: { 'Retry-After': expect.any(String) } })
    expect(await ask(one)).toBe('ok')
    expect(await ask({ sign: async () => forgedOf(await tokenOf(one, server.origin)) })).toBe(
      'invalid_signature',
    )
    server.fault = undefined
    pass(2)
    expect(await send(token)).toBe('ok')
    // The issuer can be asked again: what it does not know is unknown, budget or none.
    for (let time = 0; time < 5; time += 1)
      expect(await send(forgedToken(server.origin, `forged${time}`))).toBe('unknown_key')
  })

  it('while the budget is spent has unknown keys refused at once, and is seen as soon as there is budget', async () => {
    const { ask, send } = observe(server)
    expect(await ask(one)).toBe('ok')
    for (let time = 0; time < 10; time += 1)
      expect(await send(forgedToken(server.origin, `forged${time}`))).toBe('unknown_key')
    expect(server.fetches).toBe(3)
    server.publish(one, two)
    server.fault = stalls['FX22 accepts and never answers']
    expect(await ask(two)).toBe('unknown_key')
    expect(server.fetches).toBe(3)
    server.fault = undefined
    pass(30)
    expect(await ask(two)).toBe('ok')
    expect(server.fetches).toBe(4)
  })
})

/** The same token with another signature. */
function forgedOf(token: string): string {
  return `${token.slice(0, token.lastIndexOf('.'))}.${Buffer.alloc(64, 9).toString('base64url')}`
}

describe('a key set with odd entries', () => {
  it('FX21 C13 C16 C18 C19 is used without them, and the operator is told of each', async () => {
    const [weak, long] = await Promise.all([rsa(1024), Promise.resolve('A'.repeat(2731))])
    const odd: [unknown, RegExp][] = [
      [null, /not an object/],
      [7, /not an object/],
      [{}, /"kty"/],
      [{ kty: 'XYZ' }, /"kty"/],
      [{ ...two.jwk, x: two.jwk.y }, /does not take it/],
      [weak, /2048 to 8192 bits/],
      [{ kty: 'RSA', n: '_'.repeat(344), e: 'AQ' }, /exponent/],
      [{ kty: 'RSA', n: `_${long}`, e: 'AQAB' }, /2048 to 8192 bits/],
      [{ kty: 'oct', k: 'A'.repeat(43) }, /secret/],
      [{ ...two.jwk, d: 'AQ' }, /private/],
      [{ ...two.jwk, use: 'enc' }, /"use"/],
    ]
    server.publishEntries([...odd.map(([entry]) => entry), one.jwk])
    const { ask, events } = observe(server)
    expect(await ask(one)).toBe('ok')
    expect(await ask(two)).toBe('unknown_key')
    const [event] = events
    if (event?.type !== 'refreshed') throw new Error('not refreshed')
    expect(event).toMatchObject({ issuer: server.origin, keys: 1, added: 1, removed: 0, ignored: odd.length })
    for (const [index, [, problem]] of odd.entries()) {
      expect(event.problems[index]).toMatch(problem)
      expect(event.problems[index]).toContain(`keys[${index}]`)
    }
  })

  it('FX20 is used up to 64 keys, whatever stands between them', async () => {
    const keys = Array.from({ length: 70 }, (_, index) => ({ ...two.jwk, kid: `k${index}` }))
    server.publishEntries([...Array.from({ length: 9000 }, () => null), one.jwk, ...keys])
    const { ask, events, gate } = observe(server)
    expect(await ask(one)).toBe('ok')
    expect(events).toMatchObject([{ type: 'refreshed', keys: 64, ignored: 9007 }])
    if (events[0]?.type === 'refreshed') expect(events[0].problems).toHaveLength(16)
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'fresh', failures: 0 } } })
    expect(await ask({ sign: (claims) => two.sign(claims, { kid: 'k62' }) })).toBe('ok')
    expect(await ask({ sign: (claims) => two.sign(claims, { kid: 'k63' }) })).toBe('unknown_key')
  })
})

async function rsa(modulusLength: number): Promise<object> {
  const { generateKeyPairSync } = await import('node:crypto')
  return generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' })
}
