/** A restart under a flood of garbage tokens: no caller is known yet, and the server must not work in vain (ATK16). */

import type { Gate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { timeout } from '#core/lib/clock.ts'
import { pass, stopClock, time } from '../support/clock.ts'
import { statusOf } from '../support/forge.ts'
import { gateIntrospecting } from '../support/gates.ts'
import { AUDIENCE } from '../support/issuer.ts'

stopClock()

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A server that answers after a time by the stopped clock, and what became of the requests to it. */
class SlowServer {
  latency: number
  /** Of so many requests, one is never answered. */
  readonly #hangs: number
  /** How long a request takes to end that was cancelled. */
  readonly #cancelling: number
  started = 0
  finished = 0
  open = 0
  mostOpen = 0

  constructor(latency: number, { hangs = Number.POSITIVE_INFINITY, cancelling = 0 } = {}) {
    this.latency = latency
    this.#hangs = hangs
    this.#cancelling = cancelling
  }

  readonly fetch = (_url: string, { body, signal }: RequestInit): Promise<Response> => {
    const token = new URLSearchParams(body as URLSearchParams).get('token') ?? ''
    this.started += 1
    this.open += 1
    this.mostOpen = Math.max(this.mostOpen, this.open)
    return new Promise<Response>((resolve, reject) => {
      const after = (seconds: number, what: () => void) => {
        const end = () => {
          this.open -= 1
          what()
        }
        if (seconds === 0) end()
        else timeout(seconds).addEventListener('abort', end)
      }
      let isCancelled = false
      const latency = this.started % this.#hangs === 0 ? 1_000 : this.latency
      timeout(latency).addEventListener('abort', () => {
        if (isCancelled) return
        after(0, () => {
          this.finished += 1
          resolve(Response.json({ active: token.startsWith('good'), aud: AUDIENCE, sub: token }))
        })
      })
      signal?.addEventListener('abort', () => {
        isCancelled = true
        after(this.#cancelling, () => reject(signal.reason))
      })
    })
  }
}

const TICK = 0.02
let count = 0

/** Garbage tokens, 500 a second. Calls the function once each tick, before, between or after those of the tick. */
async function flood(gate: Gate, seconds: number, each: (tick: number) => void = () => {}): Promise<void> {
  for (let tick = 0; tick < seconds / TICK; tick += 1) {
    for (let token = 0; token < 500 * TICK; token += 1) {
      if (token === (7 * tick) % 10) each(tick)
      count += 1
      void statusOf(gate, `garbage-${count}`)
    }
    await settle()
    pass(TICK)
    await settle()
  }
}

describe('500 garbage tokens a second after a restart', () => {
  it('garbage tokens leave room for new callers at a server that takes 300 ms, and no request is made in vain (ATK16)', async () => {
    const server = new SlowServer(0.3)
    const gate = gateIntrospecting(server.fetch)
    const served = new Set<string>()
    const asking = new Set<string>()
    await flood(gate, 20, (tick) => {
      if (tick < 100) return
      for (let caller = 0; caller < 20; caller += 1) {
        const token = `good-${caller}`
        // Each of them tries again half a second after it was answered 503.
        if ((tick + caller) % 25 !== 0 || served.has(token) || asking.has(token)) continue
        asking.add(token)
        void statusOf(gate, token).then((answer) => {
          asking.delete(token)
          if (answer === 200) served.add(token)
        })
      }
    })
    expect(served.size).toBe(20)
    expect(server.mostOpen).toBeLessThanOrEqual(64)
    expect(server.started - server.finished).toBe(server.open)
    // 48 at once, each for 300 ms.
    expect(server.finished).toBeGreaterThan(0.9 * 160 * 20)
  })

  it('are served again at the rate of the server after it became slower, up to 2 s (ATK16)', async () => {
    const server = new SlowServer(0.3)
    const gate = gateIntrospecting(server.fetch)
    await flood(gate, 5)
    server.latency = 2
    await flood(gate, 20)
    const { started, finished } = server
    await flood(gate, 10)
    const made = server.started - started
    expect(server.finished - finished).toBeGreaterThan(0.9 * made)
    expect(made).toBeGreaterThan(0.8 * 24 * 10)
    server.latency = 0.1
    await flood(gate, 10)
    const before = server.finished
    await flood(gate, 5)
    expect(server.finished - before).toBeGreaterThan(0.9 * 480 * 5)
  })

  it('keep no more than "concurrency" requests open, though a cancelled one ends 2 s later (ATK16)', async () => {
    const server = new SlowServer(0.1, { hangs: 3, cancelling: 2 })
    const gate = gateIntrospecting(server.fetch)
    await flood(gate, 20)
    expect(server.finished).toBeGreaterThan(100)
    expect(server.mostOpen).toBeLessThanOrEqual(64)
    expect(time()).toBeCloseTo(20)
  })
})
