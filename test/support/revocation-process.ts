/** Processes that share revocations on Redis, as far as a test can see them: each has a client, a store and a gate. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createGate, type Gate } from '@bearergate/core'
import {
  type FeedEvent,
  type RedisClient,
  type RedisRevocations,
  type RedisRevocationsOptions,
  redisRevocations,
} from '@bearergate/redis'
import { requestWith } from './forge.ts'
import { AUDIENCE, ISSUER, type TestKey } from './issuer.ts'

export interface Process<C extends RedisClient = RedisClient> {
  readonly client: C
  readonly store: RedisRevocations
  /** Has a cache. */
  readonly gate: Gate
  readonly events: FeedEvent[]
  /** Resolves when the feed reports this for the next time. */
  next(type: FeedEvent['type']): Promise<void>
  close(): void
}

export function createProcess<C extends RedisClient>(
  client: C,
  key: TestKey,
  options: RedisRevocationsOptions = {},
): Process<C> {
  const events: FeedEvent[] = []
  const waiting = new Set<readonly [type: string, resolve: () => void]>()
  const onFeed = (event: FeedEvent) => {
    events.push(event)
    for (const entry of waiting)
      if (entry[0] === event.type) {
        waiting.delete(entry)
        entry[1]()
      }
  }
  const store = redisRevocations(client, { ...options, onFeed })
  const keys = { keys: [key.jwk] }
  return {
    client,
    store,
    gate: createGate({ issuer: ISSUER, audience: AUDIENCE, keys, revocations: store } as never),
    events,
    next: (type) => new Promise((resolve) => waiting.add([type, resolve])),
    close() {
      store.close()
      if (client.isOpen) client.destroy()
    },
  }
}

let count = 0
/** Returns a token with an id of its own, valid now. */
export function validToken(key: TestKey, claims: Record<string, unknown> = {}): Promise<string> {
  count += 1
  const now = Math.floor(Date.now() / 1000)
  return key.sign({ jti: `token-${count}`, iat: now - 10, exp: now + 600, ...claims })
}

/** Returns the status of the answer, and the reason of a rejection. */
export async function ask({ gate }: Pick<Process, 'gate'>, token: string): Promise<string> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? '200' : `${decision.status} ${decision.reason}`
}

/** Waits until a gate gives an answer: what changes it is on its way. */
export async function answers(at: Pick<Process, 'gate'>, token: string, answer: string): Promise<void> {
  while ((await ask(at, token)) !== answer) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Waits until a gate rejects a token: the entry is on its way. */
export function rejects(at: Pick<Process, 'gate'>, token: string): Promise<void> {
  return answers(at, token, '401 revoked')
}

const OPEN_FEED = fileURLToPath(new URL('../redis/open-feed.ts', import.meta.url))
const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']

/** Returns the exit code of a process that closes its client, and not its feed. It waits until that process ends by itself. */
export async function exitCodeWithOpenFeed(
  kind: 'single' | 'cluster' | 'sentinel',
  servers: readonly { readonly port: number }[],
): Promise<number> {
  const args = [kind, ...servers.map(({ port }) => String(port))]
  const child = fork(OPEN_FEED, args, { execArgv: [...source, '--import', 'tsx'] })
  child.channel?.unref()
  const [code] = await once(child, 'exit')
  return code
}
