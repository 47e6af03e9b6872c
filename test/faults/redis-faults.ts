/**
 * Measures what each fault of Redis costs three API processes under load: `npx pnpm@12.21.0 redis-faults`. Prints the longest
 * request, how many were answered 503, and how long the recovery took. The tests assert no time; this shows it.
 */

import { json, startIntrospector } from '../support/introspector.ts'
import { createKey } from '../support/issuer.ts'
import { connect, startRedis } from '../support/redis.ts'
import { Api, Load, type Sample } from './redis-load.ts'

/** How long each fault lasts. In milliseconds. Longer than `maxLag`. */
const FAULT = 4000
/** How long the load goes on after it. In milliseconds. */
const AFTERMATH = 3000
const MAX_LAG = 2

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

// Without the wait for the disk at each command, which would be the longest of all.
const redis = await startRedis('--appendfsync', 'everysec')
const key = await createKey()
const server = await startIntrospector((asked, response) => {
  const exp = Date.now() / 1000 + 3600
  json({ active: asked.form.get('token')?.startsWith('good-'), exp })(asked, response)
})
const admin = await connect(redis.url)
const { url } = redis
const setup = { redis: url, endpoint: server.endpoint, jwk: key.jwk, maxLag: MAX_LAG } as const
const apis = await Promise.all([0, 1, 2].map(() => Api.start({ ...setup, ifUnavailable: 'reject' })))

let answers: {
  readonly path: Sample['path']
  readonly took: number
  readonly status: number
  readonly at: number
}[] = []
const measure = ({ path }: Sample, took: number, status: number) =>
  void answers.push({ path, took, status, at: performance.now() })
const load = await Load.begin(apis, key, { failsClosed: true, measure })

interface Fault {
  readonly name: string
  readonly begin: () => unknown
  readonly end?: () => unknown
}

const STREAM = 'bearergate:revocations'
const FAULTS: readonly Fault[] = [
  { name: 'none', begin: () => {} },
  { name: 'killed, started again', begin: () => redis.kill(), end: () => redis.start() },
  { name: 'SIGSTOP, SIGCONT', begin: () => redis.pause(), end: () => redis.resume() },
  {
    name: 'full',
    begin: () => admin.configSet('maxmemory', '1'),
    end: () => admin.configSet('maxmemory', '0'),
  },
  { name: 'wrong type under the key', begin: () => admin.set(STREAM, 'text'), end: () => admin.del(STREAM) },
  { name: 'connections dropped', begin: () => admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal']) },
  { name: 'FLUSHALL', begin: () => admin.flushAll() },
]

const row = (...cells: readonly (string | number)[]) => console.log(`| ${cells.join(' | ')} |`)
row(
  'fault',
  'requests',
  'longest, revocations',
  'longest, introspection',
  'longest, without Redis',
  '503',
  'other than 200, 401, 503',
  'recovery',
)
row(...Array(8).fill('---'))
await pause(AFTERMATH)
for (const { name, begin, end } of FAULTS) {
  answers = []
  await begin()
  await pause(FAULT)
  await end?.()
  const ended = performance.now()
  await pause(AFTERMATH)
  const longest = (path: Sample['path']) =>
    `${Math.round(Math.max(...answers.filter((answer) => answer.path === path).map(({ took }) => took)))} ms`
  const unavailable = answers.filter(({ status }) => status === 503)
  const odd = answers.filter(({ status }) => ![200, 401, 503].includes(status)).length
  const recovery = Math.round(Math.max(0, ...unavailable.map(({ at }) => at - ended)))
  row(
    name,
    answers.length,
    longest('/signed'),
    longest('/asked'),
    longest('/control'),
    unavailable.length,
    odd,
    `${recovery} ms`,
  )
}
await load.end()
const troubles = apis.flatMap((api) => api.troubles)
await Promise.all(apis.map((api) => api.kill()))
admin.destroy()
await server.close()
await redis.close()
if (troubles.length > 0) console.log(troubles)
process.exit(troubles.length > 0 ? 1 : 0)
