/**
 * Starts a Redis server, several API processes and a load, ends sessions one after the other by a request to the first process,
 * and prints how long each process took to reject the token of the session.
 */

import { AUDIENCE, accessToken, CLIENT_ID, ISSUER, keys } from './issuer.ts'
import { machineTime } from './messages.ts'
import { type Api, startApi, startRedis } from './processes.ts'
import { SOURCES, type SourceName } from './sources.ts'

const { PROCESSES = '3', REVOCATIONS = '100', REDIS_PORT = '6399', SOURCE = 'all' } = process.env
const names = Object.keys(SOURCES) as SourceName[]
if (SOURCE !== 'all' && !Object.hasOwn(SOURCES, SOURCE))
  throw new TypeError(`"SOURCE" must be all, ${names.join(', ')}, but is ${SOURCE}`)
if (!(Number(PROCESSES) >= 1)) throw new TypeError(`"PROCESSES" must be at least 1, but is ${PROCESSES}`)

const stopRedis = await startRedis(Number(REDIS_PORT))
const redis = `redis://127.0.0.1:${REDIS_PORT}`
const setup = { redis, issuer: ISSUER, audience: AUDIENCE, clientId: CLIENT_ID, keys }
const apis = await Promise.all(Array.from({ length: Number(PROCESSES) }, () => startApi(setup)))
console.log(`Redis on port ${REDIS_PORT}, and ${PROCESSES} API processes`)

let acceptedAgain = 0
for (const name of names) if (SOURCE === 'all' || SOURCE === name) await measure(name)
console.log(`${acceptedAgain} of the revoked tokens were accepted again.`)
process.exitCode = acceptedAgain === 0 ? 0 : 1

for (const api of apis) api.stop()
await stopRedis()

/** Ends sessions by one source under load, and prints the times. */
async function measure(name: SourceName): Promise<void> {
  const load = startLoad(apis)
  const times = apis.map((): number[] => [])
  for (let left = Number(REVOCATIONS); left > 0; left -= 1) {
    const session = crypto.randomUUID()
    const token = await accessToken(session)
    // The token is in the cache of every process before it is revoked.
    for (const { origin } of apis) await get(origin, token)
    const watching = apis.map((api) => api.watch(token))
    const request = await SOURCES[name]((apis[0] as Api).origin, token, session)
    const beganAt = machineTime()
    const response = await fetch(request)
    if (!response.ok) throw new Error(`The request that ends the session got ${response.status}`)
    for (const [index, { rejectedAt, wasAcceptedAgain }] of (await Promise.all(watching)).entries()) {
      times[index]?.push(Math.max(0, rejectedAt - beganAt))
      if (wasAcceptedAgain) acceptedAgain += 1
    }
  }
  const requests = await load.stop()
  console.log(`\n${REVOCATIONS} revocations by ${name}. Milliseconds until each process rejected the token:`)
  for (const [index, all] of times.entries())
    console.log(`  process ${index + 1}: ${summary(all)}; ${requests[index]} other requests meanwhile`)
  console.log(`  all: ${summary(times.flat())}`)
}

/** Sends requests to each process, one after the other, until it is stopped. Returns their numbers. */
function startLoad(all: readonly Api[]): { stop(): Promise<number[]> } {
  let isRunning = true
  const running = all.map(async ({ origin }) => {
    const token = await accessToken('load')
    let answered = 0
    for (; isRunning; answered += 1) await get(origin, token)
    return answered
  })
  return {
    stop() {
      isRunning = false
      return Promise.all(running)
    },
  }
}

async function get(origin: string, token: string): Promise<void> {
  const response = await fetch(origin, { headers: { authorization: `Bearer ${token}` } })
  await response.arrayBuffer()
  if (response.status !== 200) throw new Error(`A request with a good token got ${response.status}`)
}

function summary(times: readonly number[]): string {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1)
  return `median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`
}
