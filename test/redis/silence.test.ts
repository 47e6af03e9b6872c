/** A Redis that never answers, by a stopped clock: how long requests wait for it, and how many commands it gets. */

import { createServer, type Socket, connect as toSocket } from 'node:net'
import type { NewAnswer, ResultQuestion } from '@bearergate/core'
import { redisResults } from '@bearergate/redis'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { clientWith } from '../support/redis-client.ts'

const OPTIONS = { name: 'introspection', secret: 'a secret with at least 32 bytes: 12345' }
const NEW: NewAnswer = { answer: { active: true }, lifetime: 60 }

/** What a verifier passes to the store. */
function questionOf(ask: () => Promise<NewAnswer>): ResultQuestion {
  return { ask, accepts: () => true, patience: 1 }
}

describe('redisResults on a Redis that is silent', () => {
  afterEach(() => void vi.useRealTimers())

  it('makes no request wait for longer than two timeouts, and one per second after the first timeout', async () => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
    })
    let commands = 0
    const never = () => {
      commands += 1
      return new Promise<never>(() => {})
    }
    const store = redisResults(clientWith({ getRange: never, pTTL: never, set: never, del: never }), OPTIONS)
    const waits: number[] = []
    const answers: Promise<unknown>[] = []
    for (let number = 0; number < 6000; number += 1) {
      const began = performance.now()
      const ask = async () => {
        waits.push(performance.now() - began)
        return NEW
      }
      answers.push(store.find(`token-${number}`, questionOf(ask)))
      await vi.advanceTimersByTimeAsync(10)
    }
    await vi.advanceTimersByTimeAsync(1000)
    await Promise.all(answers)
    expect(waits).toHaveLength(6000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(200)
    // Those that came before the first timeout, and then one per second that tries again.
    expect(waits.filter((wait) => wait > 0).length).toBeLessThanOrEqual(10 + 60)
    // Each of the first requests sends two commands, and each later try sends one.
    expect(commands).toBeLessThanOrEqual(2 * 10 + 60)
  })

  it('reads an answer that came during a pause of the event loop', async () => {
    const far = await new Promise<{ near: Socket; far: Socket; close(): void }>((resolve) => {
      const server = createServer((socket) => resolve({ near, far: socket, close: () => server.close() }))
      let near: Socket
      server.listen(0, '127.0.0.1', () => {
        near = toSocket((server.address() as { port: number }).port, '127.0.0.1')
      })
    })
    const read = new Promise((resolve) => far.near.once('data', () => resolve('')))
    const events: string[] = []
    const store = redisResults(
      clientWith({ getRange: () => read, pTTL: async () => 60_000, set: async () => 'OK' }),
      {
        ...OPTIONS,
        timeout: 0.01,
        onResults: ({ type }) => events.push(type),
      },
    )
    const found = store.find(
      'token',
      questionOf(async () => NEW),
    )
    far.far.write('x')
    const end = performance.now() + 50
    while (performance.now() < end);
    await found
    expect(events).toEqual([])
    far.near.destroy()
    far.far.destroy()
    far.close()
  })
})
