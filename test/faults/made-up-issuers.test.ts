/** Made-up issuers in any number, at a resolver of tenants: real tenants are answered 200 (ATK16). */

import { createGate, type IssuerOptions, multiIssuerJwt } from '@bearergate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { pass, stopClock } from '../support/clock.ts'
import { statusOf } from '../support/forge.ts'
import { AUDIENCE, createKey, NOW, type TestKey } from '../support/issuer.ts'

stopClock()

let count = 0
function fresh(kind: string): string {
  count += 1
  return `${kind}-${count}`
}

describe('made-up issuers', () => {
  const clock = () => NOW * 1000
  const tenant = (name: string) => `https://${name}.example.org`
  let key: TestKey

  beforeAll(async () => {
    key = await createKey('ES256')
  })

  const optionsOf = (issuer: string, more: object = {}): IssuerOptions =>
    ({ issuer, audience: AUDIENCE, keys: { keys: [key.jwk] }, ...more }) as IssuerOptions

  const segment = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url')
  const forged = () => `${segment({ alg: 'ES256' })}.${segment({ iss: tenant(fresh('made-up')) })}.AAAA`

  /** A resolver whose answers take 10 ms of the stopped clock. */
  function slowly() {
    let waiting: (() => void)[] = []
    let running = 0
    const state = { most: 0 }
    return {
      state,
      async resolve(issuer: string): Promise<IssuerOptions | undefined> {
        running += 1
        state.most = Math.max(state.most, running)
        await new Promise<void>((resolve) => waiting.push(resolve))
        running -= 1
        return issuer.includes('made-up') ? undefined : optionsOf(issuer)
      },
      async answer(): Promise<void> {
        pass(0.01)
        for (const resolve of waiting) resolve()
        waiting = []
        await new Promise((resolve) => setImmediate(resolve))
      },
    }
  }

  it('leave the first requests of real tenants answered 200: 2,000 a second, 10 ms each (ATK16)', async () => {
    const { resolve, answer, state } = slowly()
    const gate = createGate({ verifier: multiIssuerJwt(resolve, { now: clock }), now: clock })
    const good: Promise<number>[] = []
    const bad: Promise<number>[] = []
    for (let tick = 0; tick < 100; tick += 1) {
      // 200 at once each 100 ms, and one real tenant behind them.
      if (tick % 10 === 0) for (let index = 0; index < 200; index += 1) bad.push(statusOf(gate, forged()))
      const token = await key.sign({ iss: tenant(`real-${tick}`), jti: `${tick}` })
      good.push(statusOf(gate, token))
      await answer()
    }
    for (let tick = 0; tick < 10; tick += 1) await answer()
    expect(await Promise.all(good)).toEqual(Array(100).fill(200))
    expect(new Set(await Promise.all(bad))).toEqual(new Set([401]))
    expect(state.most).toBe(48)
  })

  it('leave a proven tenant answered 200 while they fill the queue and the resolver never answers them (ATK16)', async () => {
    const options = { ttl: 1, now: clock, cache: false } as const
    const resolve = (issuer: string) =>
      issuer.includes('made-up') ? new Promise<undefined>(() => {}) : Promise.resolve(optionsOf(issuer))
    const gate = createGate({ verifier: multiIssuerJwt(resolve, options), now: clock, deadline: 60 })
    const token = await key.sign({ iss: tenant('real') })
    expect(await statusOf(gate, token)).toBe(200)
    const flood = Array.from({ length: 2_000 }, () => statusOf(gate, forged()))
    pass(1)
    expect(await statusOf(gate, token)).toBe(200)
    const first = statusOf(gate, await key.sign({ iss: tenant('new') }))
    expect(await first).toBe(503)
    pass(10)
    expect(new Set(await Promise.all(flood))).toEqual(new Set([503]))
    expect(await statusOf(gate, await key.sign({ iss: tenant('new'), jti: 'b' }))).toBe(200)
  })

  it('leave a proven tenant answered 200 whose keys changed, when they used up the allowance for new ones (ATK16)', async () => {
    let rotations = 0
    // The resolver trusts a pattern: it gives options for made-up issuers too.
    const resolve = (issuer: string) =>
      optionsOf(issuer, issuer === tenant('real') ? { cooldown: 30 + rotations } : {})
    const options = { ttl: 1, max: 5, now: clock, cache: false } as const
    const gate = createGate({ verifier: multiIssuerJwt(resolve, options), now: clock })
    const token = await key.sign({ iss: tenant('real') })
    expect(await statusOf(gate, token)).toBe(200)
    for (rotations = 1; rotations < 10; rotations += 1) {
      for (let index = 0; index < 6; index += 1)
        await statusOf(gate, await key.sign({ iss: tenant(fresh('x')) }))
      pass(1)
      expect(await statusOf(gate, token)).toBe(200)
    }
    expect(await statusOf(gate, await key.sign({ iss: tenant('one-more') }))).toBe(503)
  })

  it('a made-up issuer is answered 503 after the resolver timed out, 10 s, and its place is free again (ATK16)', async () => {
    const causes: unknown[] = []
    const gate = createGate({
      verifier: multiIssuerJwt(() => new Promise<undefined>(() => {}), { now: clock }),
      now: clock,
      deadline: 60,
      onDecision: ({ cause }) => causes.push(cause),
    })
    const outcome = statusOf(gate, await key.sign({ iss: tenant('real') }))
    pass(10)
    expect(await outcome).toBe(503)
    expect(causes).toMatchObject([
      { name: 'UnavailableError', message: expect.stringContaining('did not return within 10 s') },
    ])
  })
})
