/** An issuer that changes its keys, with and without an overlap. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, answers, stalls } from './authorization-server.ts'
import { forgedToken, tokenOf, turns, withForgedSignature } from './client.ts'
import { fixJitter, TICK, timeline } from './timeline.ts'

let one: TestKey
let two: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  ;[one, two] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})
stopClock()
fixJitter()
beforeEach(async () => {
  server = await AuthorizationServer.start(one)
})
afterEach(() => server.down())

/** Holds back the next answer of the key set endpoint. The result sends it, as it was when it was asked for. */
function holdAnswer(): () => void {
  let release = () => {}
  server.fault = (response, keySet) => {
    server.fault = undefined
    release = () => response.end(keySet)
  }
  return () => release()
}

describe('a rotation', () => {
  it('accepts every token if the old and the new key are published together for a while (FX28)', async () => {
    const { ask, events, moments, settled } = timeline(server)
    const step = async (signers: readonly TestKey[], times: number) => {
      for (let time = 0; time < times; time += 1) {
        for (const signer of signers) expect(await ask(signer)).toBe('ok')
        await settled()
        pass(10)
      }
    }
    await step([one], 10)
    server.publish(one, two)
    await step([one], 70)
    await step([one, two], 70)
    server.publish(two)
    await step([two], 140)
    expect(moments).toEqual([0, 480, 960, 1440, 1920, 2400, 2880])
    expect(events).toMatchObject([
      { type: 'refreshed', keys: 1, added: 1, removed: 0 },
      { type: 'refreshed', keys: 2, added: 1, removed: 0 },
      { type: 'refreshed', keys: 2, added: 0, removed: 0 },
      { type: 'refreshed', keys: 2, added: 0, removed: 0 },
      { type: 'refreshed', keys: 1, added: 0, removed: 1 },
      { type: 'refreshed', keys: 1, added: 0, removed: 0 },
      { type: 'refreshed', keys: 1, added: 0, removed: 0 },
    ])
    expect(server.fetches).toBe(7)
  })

  it('accepts 100 concurrent tokens of an unannounced key after one shared refresh, right after a fetch (FX29)', async () => {
    const { ask, begin, moments } = timeline(server)
    expect(await ask(one)).toBe('ok')
    server.publish(two)
    const release = holdAnswer()
    const tokens = await Promise.all(Array.from({ length: 100 }, () => tokenOf(two, server.origin)))
    const requests = tokens.map(begin)
    await eventually(() => server.fetches === 2)
    pass(1.5 - TICK)
    await turns()
    expect(new Set(requests.map(({ outcome }) => outcome))).toEqual(new Set([undefined]))
    release()
    expect(new Set(await Promise.all(requests.map(({ answered }) => answered)))).toEqual(new Set(['ok']))
    expect(server.fetches).toBe(2)
    expect(moments).toEqual([0, 1.5 - TICK])
  })

  it('answers 503 if the shared refresh takes longer than 1.5 s, and uses its keys when it is done (FX29)', async () => {
    const { ask, begin, moments, settled } = timeline(server)
    expect(await ask(one)).toBe('ok')
    server.publish(two)
    const release = holdAnswer()
    const request = begin(await tokenOf(two, server.origin))
    await eventually(() => server.fetches === 2)
    pass(1.5)
    expect(await request.answered).toBe('unavailable')
    pass(1)
    release()
    await settled()
    expect(await ask(two)).toBe('ok')
    expect(server.fetches).toBe(2)
    expect(moments).toEqual([0, 2.5])
  })

  it('fetches again for a token that came while an older answer was pending (FX29)', async () => {
    const { ask, begin, events } = timeline(server)
    expect(await ask(one)).toBe('ok')
    const token = await tokenOf(two, server.origin)
    const release = holdAnswer()
    pass(480)
    expect(await ask(one)).toBe('ok')
    await eventually(() => server.fetches === 2)
    server.publish(two)
    const first = begin(token)
    await turns()
    expect(first.outcome).toBe(undefined)
    release()
    expect(await first.answered).toBe('ok')
    expect(server.fetches).toBe(3)
    expect(events).toMatchObject([
      { type: 'refreshed', added: 1 },
      { type: 'refreshed', added: 0 },
      { type: 'refreshed', added: 1 },
    ])
  })

  it('rejects tokens of a removed key after the next refresh, also cached ones (FX30)', async () => {
    const { send, ask, moments, settled } = timeline(server, { cache: {} })
    const cached = await tokenOf(one, server.origin, { exp: Date.now() / 1000 + 7200 })
    expect(await send(cached)).toBe('ok')
    server.publish(two)
    pass(480 - TICK)
    expect(await send(cached)).toBe('ok')
    await settled()
    expect(moments).toEqual([0])
    pass(TICK)
    expect(await send(cached)).toBe('ok')
    await settled()
    expect(moments).toEqual([0, 480])
    expect(await send(cached)).toBe('unknown_key')
    expect(await ask(one)).toBe('unknown_key')
    expect(await ask(two)).toBe('ok')
  })

  it('accepts new key material under the same kid, within the budget of two refreshes (FX31)', async () => {
    const { ask } = timeline(server)
    expect(await ask(one)).toBe('ok')
    const renewed = await createKey('ES256', 'one')
    server.publish(renewed)
    expect(await ask(renewed)).toBe('ok')
    expect(server.fetches).toBe(2)
    expect(await ask(one)).toBe('invalid_signature')
    expect(server.fetches).toBe(3)
    for (let time = 0; time < 50; time += 1) expect(await ask(one)).toBe('invalid_signature')
    expect(server.fetches).toBe(3)
  })

  it('answers 503 to an unknown key during an outage, because the key may be new (B15)', async () => {
    const { ask, decide, send, moments } = timeline(server)
    expect(await ask(one)).toBe('ok')
    server.publish(two)
    server.fault = answers['FX05 500']
    expect(await ask(two)).toBe('unavailable')
    const token = await tokenOf(two, server.origin)
    expect(await decide(token)).toMatchObject({ ok: false, status: 503, headers: { 'Retry-After': '1' } })
    expect(await ask(one)).toBe('ok')
    expect(await send(withForgedSignature(await tokenOf(one, server.origin)))).toBe('invalid_signature')
    server.fault = undefined
    pass(1 - TICK)
    expect(await send(token)).toBe('unavailable')
    pass(TICK)
    expect(await send(token)).toBe('ok')
    expect(moments).toEqual([0, 0, 1])
    // The attempts for a known caller did not spend the budget of strangers.
    const outcomes = []
    for (let time = 0; time < 4; time += 1)
      outcomes.push(await send(forgedToken(server.origin, `forged${time}`)))
    expect(outcomes).toEqual(['unknown_key', 'unknown_key', 'unavailable', 'unavailable'])
    expect(server.fetches).toBe(5)
  })

  it('answers 503 to unknown keys at once while the budget is used up, and accepts a new key 30 s later (FX34, ATK08)', async () => {
    const { ask, send, moments } = timeline(server)
    expect(await ask(one)).toBe('ok')
    for (let time = 0; time < 10; time += 1)
      expect(await send(forgedToken(server.origin, `forged${time}`))).toBe(
        time < 2 ? 'unknown_key' : 'unavailable',
      )
    expect(server.fetches).toBe(3)
    server.publish(one, two)
    server.fault = stalls['FX22 accepts and never answers']
    const stranger = { sub: 'stranger' }
    expect(await ask(two, stranger)).toBe('unavailable')
    pass(30 - TICK)
    expect(await ask(two, stranger)).toBe('unavailable')
    expect(server.fetches).toBe(3)
    server.fault = undefined
    pass(TICK)
    expect(await ask(two)).toBe('ok')
    expect(server.fetches).toBe(4)
    expect(moments).toEqual([0, 0, 0, 30])
  })
})

describe('a key set with unusable entries', () => {
  it('uses a key set without its unusable entries, and reports each to onJwks (FX21, C13, C16, C18, C19)', async () => {
    const [weak, long] = await Promise.all([rsa(1024), Promise.resolve('A'.repeat(2731))])
    const odd: [unknown, RegExp][] = [
      [null, /not an object/],
      [7, /not an object/],
      [{}, /"kty"/],
      [{ kty: 'XYZ' }, /"kty"/],
      [{ ...two.jwk, x: two.jwk.y }, /the runtime rejects it/],
      [weak, /2048 to 8192 bits/],
      [{ kty: 'RSA', n: '_'.repeat(344), e: 'AQ' }, /exponent/],
      [{ kty: 'RSA', n: `_${long}`, e: 'AQAB' }, /2048 to 8192 bits/],
      [{ kty: 'oct', k: 'A'.repeat(43) }, /secret/],
      [{ ...two.jwk, d: 'AQ' }, /private/],
      [{ ...two.jwk, use: 'enc' }, /"use"/],
    ]
    server.publishEntries([...odd.map(([entry]) => entry), one.jwk])
    const { ask, events } = timeline(server)
    expect(await ask(one)).toBe('ok')
    expect(await ask(two)).toBe('unknown_key')
    const [event] = events
    if (event?.type !== 'refreshed') throw new Error('The key set was not refreshed')
    expect(event).toMatchObject({ issuer: server.origin, keys: 1, added: 1, removed: 0, ignored: odd.length })
    for (const [index, [, problem]] of odd.entries()) {
      expect(event.problems[index]).toMatch(problem)
      expect(event.problems[index]).toContain(`keys[${index}]`)
    }
  })

  it('uses the first 64 keys of a set, even after 929 unusable entries (FX20)', async () => {
    const keys = Array.from({ length: 70 }, (_, index) => ({ ...two.jwk, kid: `k${index}` }))
    server.publishEntries([...Array.from({ length: 929 }, () => null), one.jwk, ...keys])
    const { ask, events, gate } = timeline(server)
    expect(await ask(one)).toBe('ok')
    expect(events).toMatchObject([{ type: 'refreshed', keys: 64, ignored: 936 }])
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
