/**
 * Compares a gate with Redis to the same gate without it, for tokens in its cache: their throughput, and the processor time of a
 * request. `redis.ts [--pairs 3] [--rounds 10]`. It needs `redis-server`, and what `pnpm build` made.
 */

import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { startRedis } from '../support/redis.ts'
import { startAuthority } from './authority.ts'
import { measure, warmUp } from './load.ts'
import type { RedisSetup } from './redis-serve.ts'
import { median, spread, table } from './report.ts'
import { messageOf, pinSelf, startScript } from './servers.ts'

const { values } = parseArgs({
  options: { pairs: { type: 'string', default: '3' }, rounds: { type: 'string', default: '10' } },
})
const WARM_UP = 20_000
/** Short, so that both servers of a round meet the same load of the machine. */
const SECONDS = 1
const CASES: readonly Pick<RedisSetup, 'verifier' | 'revocations'>[] = [
  { verifier: 'jwt', revocations: 0 },
  { verifier: 'jwt', revocations: 1000 },
  { verifier: 'introspection', revocations: 0 },
]

interface Measured {
  /** Answers per second. */
  readonly rate: number
  /** Microseconds of processor time for one request. */
  readonly cost: number
}

pinSelf()
const authority = await startAuthority()
const token = await authority.mint('RS256')
const rows: string[][] = []
for (const setting of CASES) {
  const rates: number[] = []
  const costs: number[] = []
  const costsByPair: number[] = []
  for (let pair = 0; pair < Number(values.pairs); pair += 1) {
    const rounds = await measurePair(setting)
    const costsOfPair = rounds.map(([without, shared]) => without.cost / shared.cost)
    costs.push(...costsOfPair)
    costsByPair.push(median(costsOfPair))
    rates.push(...rounds.map(([without, shared]) => shared.rate / without.rate))
  }
  rows.push([
    `${setting.verifier}, ${setting.revocations} revocations`,
    median(rates).toFixed(3),
    `${(100 * spread(rates)).toFixed(0)} %`,
    median(costs).toFixed(3),
    `${(100 * spread(costs)).toFixed(0)} %`,
    costsByPair.map((ratio) => ratio.toFixed(3)).join(' '),
  ])
}
await authority.close()
console.log(
  table(
    [
      'gate',
      'throughput',
      'spread',
      'requests per processor time',
      'spread',
      'the same of each pair of processes',
    ],
    rows,
  ),
)

/** Measures a server without Redis and one with it, in turns. Each has a process of its own. */
async function measurePair(
  setting: (typeof CASES)[number],
): Promise<readonly (readonly [Measured, Measured])[]> {
  const redis = await startRedis()
  const servers = [await start(setting, undefined), await start(setting, redis.url)] as const
  try {
    for (const { origin } of servers) await warmUp(origin, [token], WARM_UP)
    const rounds: [Measured, Measured][] = []
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const [without, shared] = servers
      // The first place is no advantage.
      if (round % 2 === 0) rounds.push([await without.measure(), await shared.measure()])
      else rounds.push([await shared.measure(), await without.measure()].reverse() as [Measured, Measured])
    }
    return rounds
  } finally {
    for (const { stop } of servers) stop()
    await redis.close()
  }
}

async function start(setting: (typeof CASES)[number], redis: string | undefined) {
  const child = startScript('./redis-serve.ts', '0')
  child.send({ ...authority.setup, ...setting, redis } satisfies RedisSetup)
  const { origin, built } = await messageOf<{ origin: string; built: boolean }>(child, 30)
  if (!built) throw new Error('bearergate must be measured from dist')
  const used = async () => {
    child.send('used')
    return (await once(child, 'message'))[0] as number
  }
  return {
    origin,
    stop: () => child.kill(),
    async measure(): Promise<Measured> {
      const before = await used()
      const { rate } = await measure(origin, [token], SECONDS)
      return { rate, cost: ((await used()) - before) / (rate * SECONDS) }
    },
  }
}
