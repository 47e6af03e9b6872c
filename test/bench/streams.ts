/**
 * Opens many event streams in one Express process, revokes their subject in another process through Redis, and prints how long
 * it took until all streams had ended, and what a stream costs in memory. `streams.ts [--streams 10000]`. It needs `redis-server`,
 * and what `pnpm build` made.
 */

import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { parseArgs } from 'node:util'
import { createGate } from '@bearergate/core'
import { redisRevocations } from '@bearergate/redis'
import { connect, type RedisServer, startRedis } from '../support/redis.ts'
import { type Authority, startAuthority } from './authority.ts'
import { table } from './report.ts'
import { messageOf, pinSelf, startScript } from './servers.ts'
import type { Memory, StreamSetup, Work } from './stream-serve.ts'

const { values } = parseArgs({ options: { streams: { type: 'string', default: '10000' } } })
const STREAMS = Number(values.streams)
/** How many connections are opened at once: the server has a queue of 511. */
const AT_ONCE = 100
/** How many other revocations are measured, and the time between two of them, in milliseconds: each one is handled by itself. */
const OTHERS = 20
const PAUSE = 50

pinSelf()
const authority = await startAuthority()
const redis = await startRedis()
const tokens = await Promise.all(Array.from({ length: STREAMS }, () => authority.mint('ES256')))
const { sub: subject } = JSON.parse(
  Buffer.from((tokens[0] ?? '').split('.')[1] ?? '', 'base64url').toString(),
) as { sub: string }
const bare = await run(false, authority, redis)
const guarded = await run(true, authority, redis)
await Promise.all([authority.close(), redis.close()])

const kibibytes = (bytes: number) => (bytes / STREAMS / 1024).toFixed(1)
console.log(
  table(
    ['memory per stream, KiB', 'heap', 'whole process'],
    [
      ['without a gate', kibibytes(bare.heap), kibibytes(bare.rss)],
      ['with a gate, its cached token and its signal', kibibytes(guarded.heap), kibibytes(guarded.rss)],
    ],
  ),
)
console.log()
console.log(
  table(
    [`all ${STREAMS} streams ended, ms`, 'first', 'last', 'processor time'],
    [
      ['by a loop over the responses, without a gate', ...whole(bare.first, bare.last, bare.used)],
      [
        'by a revocation of their subject in another process',
        ...whole(guarded.first, guarded.last, guarded.used),
      ],
    ],
  ),
)
console.log(`\nA revocation of another subject takes ${guarded.other.toFixed(1)} ms of processor time.`)

function whole(...all: readonly number[]): string[] {
  return all.map((value) => value.toFixed(0))
}

interface Result extends Memory {
  /** Milliseconds from the revocation to the end of the first and of the last stream. */
  readonly first: number
  readonly last: number
  /** The processor time of the server for that. In milliseconds. */
  readonly used: number
  /** Milliseconds of processor time for a revocation of another subject. */
  readonly other: number
}

async function run(isGuarded: boolean, { setup }: Authority, { url }: RedisServer): Promise<Result> {
  const child = startScript('./stream-serve.ts', '0')
  child.send({ ...setup, redis: url, isGuarded } satisfies StreamSetup)
  const { origin, built } = await messageOf<{ origin: string; built: boolean }>(child, 30)
  if (!built) throw new Error('bearergate must be measured from dist')
  const ask = async (wanted: 'memory' | 'work') => {
    child.send(wanted)
    return (await once(child, 'message'))[0]
  }
  const memory = (): Promise<Memory> => ask('memory')
  const work = (): Promise<Work> => ask('work')
  ;(await open(origin, tokens[0] ?? '')).destroy() // Loads what is loaded once.
  const before = await memory()
  const streams: IncomingMessage[] = []
  for (let index = 0; index < STREAMS; index += AT_ONCE) {
    const some = tokens.slice(index, index + AT_ONCE)
    streams.push(...(await Promise.all(some.map((token) => open(origin, token)))))
  }
  const after = await memory()
  const grown = { heap: after.heap - before.heap, rss: after.rss - before.rss }
  const revoking = isGuarded ? await startRevoking(url, work) : undefined
  const ending = endOf(streams)
  const { used: usedBefore } = await work()
  const beganAt = performance.now()
  if (revoking === undefined) child.send('end')
  else await revoking.revoke()
  const { first, last } = await ending
  const { used: usedAfter } = await work()
  revoking?.close()
  child.kill()
  const times = { first: first - beganAt, last: last - beganAt, used: usedAfter - usedBefore }
  return { ...grown, ...times, other: revoking?.other ?? 0 }
}

/** Connects a gate of this process, and measures revocations of other subjects. */
async function startRevoking(url: string, work: () => Promise<Work>) {
  const client = await connect(url)
  const revocations = redisRevocations(client)
  await revocations.ready()
  const { issuer, audience } = authority.setup
  const gate = createGate({ issuer, audience, revocations })
  const before = await work()
  for (let number = 0; number < OTHERS; number += 1) {
    await gate.revoke({ subject: `other-${number}`, issuer })
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
  let after = await work()
  while (after.revocations < OTHERS) after = await work()
  return {
    other: (after.used - before.used) / OTHERS,
    revoke: () => gate.revoke({ subject, issuer }),
    close() {
      revocations.close()
      client.destroy()
    },
  }
}

/** Waits for the ends of all streams. */
function endOf(streams: readonly IncomingMessage[]): Promise<{ first: number; last: number }> {
  let left = streams.length
  let first = 0
  return new Promise((resolve, reject) => {
    for (const stream of streams) {
      let text = ''
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      stream.once('error', reject).once('end', () => {
        if (!text.includes('ERR_TOKEN_REVOKED')) reject(new Error(`A stream ended with ${text}`))
        first ||= performance.now()
        left -= 1
        if (left === 0) resolve({ first, last: performance.now() })
      })
    }
  })
}

/** Opens a stream, and waits for its first event. */
function open(origin: string, token: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    get(origin, { agent: false, headers }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`A stream got ${response.statusCode}`))
      response.once('data', () => resolve(response))
    }).once('error', reject)
  })
}
