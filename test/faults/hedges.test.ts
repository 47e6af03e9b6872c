/** Hedged requests after a pause: none beyond "concurrency", and known tokens are answered soon (FX42, ATK16). */

import type { Gate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { pass, stopClock } from '../support/clock.ts'
import { statusOf } from '../support/forge.ts'
import { gateIntrospecting } from '../support/gates.ts'
import { AUDIENCE } from '../support/issuer.ts'

stopClock()

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A server behind a pool of connections. A request takes an idle one, or opens one. */
class PooledServer {
  /** How many connections are idle, and lead nowhere. */
  dead = 0
  isSilent = false
  made = 0
  open = 0
  mostOpen = 0

  readonly fetch = (_url: string, { body, signal }: RequestInit): Promise<Response> => {
    const token = new URLSearchParams(body as URLSearchParams).get('token') ?? ''
    const isLost = this.dead > 0
    if (isLost) this.dead -= 1
    this.made += 1
    this.open += 1
    this.mostOpen = Math.max(this.mostOpen, this.open)
    return new Promise<Response>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason))
      const answer = { active: !token.startsWith('garbage'), aud: AUDIENCE, sub: 'emma' }
      if (!isLost && !this.isSilent) setImmediate(() => resolve(Response.json(answer)))
    }).finally(() => {
      this.open -= 1
    })
  }
}

const tokens = (kind: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${kind}-${index}`)

/** A gate that has asked about these tokens, a minute ago. */
async function gateAfterPause(server: PooledServer, known: readonly string[]): Promise<Gate> {
  const gate = gateIntrospecting(server.fetch)
  for (const token of known) expect(await statusOf(gate, token)).toBe(200)
  pass(60)
  server.made = 0
  return gate
}

/** Lets time pass in steps. */
async function wait(seconds: number): Promise<void> {
  for (let step = 0; step < seconds * 8; step += 1) {
    for (let turn = 0; turn < 8; turn += 1) await settle()
    pass(0.125)
  }
  for (let turn = 0; turn < 8; turn += 1) await settle()
}

describe('a minute after the last introspection', () => {
  it.each([
    [1, 4],
    [12, 48],
    [48, 48],
    [200, 48],
  ])('%i garbage tokens make at most %i requests at a silent server (ATK16)', async (count, most) => {
    const server = new PooledServer()
    const gate = await gateAfterPause(server, ['known'])
    server.isSilent = true
    const garbage = tokens('garbage', count).map((token) => statusOf(gate, token))
    await wait(2.5)
    expect([server.made, server.mostOpen]).toEqual([most, most])
    await wait(1)
    expect(await Promise.all(garbage)).toEqual(Array(count).fill(503))
    expect(server.open).toBe(0)
  })

  it('known and garbage tokens keep no more than "concurrency" requests open (ATK16)', async () => {
    const server = new PooledServer()
    const known = tokens('known', 30)
    const gate = await gateAfterPause(server, known)
    server.isSilent = true
    const all = [...tokens('garbage', 100), ...known].map((token) => statusOf(gate, token))
    await wait(3.5)
    expect(await Promise.all(all)).toEqual(Array(130).fill(503))
    expect(server.mostOpen).toBe(64)
  })

  it.each([
    [1, 3],
    [10, 10],
    [64, 64],
    [200, 64],
  ])(
    '%i known tokens are answered 200 within 1.5 s though %i connections are dead (FX42)',
    async (count, dead) => {
      const server = new PooledServer()
      const known = tokens('known', count)
      const gate = await gateAfterPause(server, known)
      server.dead = dead
      const answers: number[] = []
      for (const token of known) void statusOf(gate, token).then((answer) => answers.push(answer))
      await wait(1.5)
      expect(answers).toEqual(Array(count).fill(200))
    },
  )

  it('known tokens are answered 200 within 1 s beside garbage tokens, though all connections are dead (FX42)', async () => {
    const server = new PooledServer()
    const known = tokens('known', 16)
    const gate = await gateAfterPause(server, known)
    server.dead = 64
    const answers: number[] = []
    const garbage = tokens('garbage', 48).map((token) => statusOf(gate, token))
    for (const token of known) void statusOf(gate, token).then((answer) => answers.push(answer))
    await wait(1)
    expect(answers).toEqual(Array(16).fill(200))
    await wait(3)
    await Promise.all(garbage)
  })
})
