/** Processes that hear nothing from Redis for longer than every wait of the feed: they miss no revocation. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createGate, type Gate } from '@bearergate/core'
import { redisRevocations } from '@bearergate/redis'
import { afterEach, describe, expect, it } from 'vitest'
import { requestWith } from '../support/forge.ts'
import { AUDIENCE, createKey, ISSUER } from '../support/issuer.ts'
import { connect, hasRedis, startRedis } from '../support/redis.ts'
import { startRelay } from '../support/relay.ts'
import type { Setup } from './process.child.ts'

/** The shortest one. The waits of the feed are shorter or a second longer: 1 s, 2 s and 3 s. */
const MAX_LAG = 2
/** How long the silence lasts at least. In milliseconds. Longer than all of them, and than `maxLag`. */
const SILENCE = 3500
/** More than two answers of Redis contain. */
const REVOCATIONS = 2500

describe.skipIf(!hasRedis)('redisRevocations', () => {
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  it('misses no revocation in a process that is cut off, or stopped, for longer than maxLag', async () => {
    const redis = await startRedis()
    const relay = await startRelay(redis.port)
    closing.push(() => redis.close(), relay.close)
    const key = await createKey()
    const keys = { keys: [key.jwk] }
    const options = { maxLag: MAX_LAG }
    const token = await key.sign({ sid: 'last', iat: nowInSeconds() - 10, exp: nowInSeconds() + 600 })

    const revoking = await gateAt(redis.url)
    const cutOff = await gateAt(`redis://127.0.0.1:${relay.port}`)
    const stopped = await childAt({ redis: redis.url, keys, options })
    for (const ask of [cutOff.ask, stopped.ask]) expect(await ask()).toBe('200')

    relay.isBlocked = true
    relay.end('reset')
    stopped.child.kill('SIGSTOP')
    const end = performance.now() + SILENCE
    await Promise.all(
      Array.from({ length: REVOCATIONS }, (_, index) => revoking.gate.revoke({ sessionId: `s-${index}` })),
    )
    await revoking.gate.revoke({ sessionId: 'last', issuer: ISSUER })
    // The gate itself tells when `maxLag` has passed. The rest is for the waits of the feed.
    while ((await cutOff.ask()) === '200' || performance.now() < end) await pause()
    expect(await cutOff.ask()).toBe('503 unavailable')
    expect(cutOff.store.size).toBe(0)
    const first = stopped.ask() // It is there when the process goes on.

    relay.isBlocked = false
    stopped.child.kill('SIGCONT')
    expect(await first).not.toBe('200')
    for (const ask of [cutOff.ask, stopped.ask]) {
      const answers = new Set<string>()
      while (!answers.has('401 revoked')) {
        answers.add(await ask())
        await pause()
      }
      expect(answers).not.toContain('200')
    }
    expect(cutOff.store.size).toBe(REVOCATIONS + 1)

    async function gateAt(url: string) {
      const client = await connect(url)
      const store = redisRevocations(client, options)
      const gate: Gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys, revocations: store } as never)
      closing.push(() => {
        store.close()
        client.destroy()
      })
      await store.ready()
      return { gate, store, ask: () => answerOf(gate, token) }
    }

    async function childAt(setup: Setup) {
      const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
      const execArgv = [...source, '--import', 'tsx']
      const child = fork(new URL('process.child.ts', import.meta.url), { execArgv })
      closing.push(() => child.kill('SIGKILL'))
      const message = async () => (await once(child, 'message'))[0] as string
      child.send(setup)
      expect(await message()).toBe('ready')
      const ask = () => {
        child.send(token)
        return message()
      }
      return { child, ask }
    }
  })
})

async function answerOf(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? '200' : `${decision.status} ${decision.reason}`
}

function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
