/**
 * Starts a Redis server, three API processes and a load, revokes tokens one after the other, and prints how long each process
 * took to reject them.
 */

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Order, Report } from './messages.ts'

const PROCESSES = 3
const REVOCATIONS = Number(process.env.REVOCATIONS ?? 100)
const PORT = Number(process.env.REDIS_PORT ?? 6399)
const ISSUER = 'https://id.example.com'
const AUDIENCE = 'https://api.example.com'

const folder = mkdtempSync(join(tmpdir(), 'bearergate-cluster-'))
const redis = spawn(
  'redis-server',
  ['--port', String(PORT), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
process.once('exit', () => redis.kill()) // Also if something fails.
redis.once('error', () => {
  console.error('This example needs the program redis-server.')
  process.exit(1)
})
for await (const chunk of redis.stdout) if (String(chunk).includes('Ready to accept connections')) break

const { publicKey, privateKey } = await generateKeyPair('ES256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }
const setup = {
  redis: `redis://127.0.0.1:${PORT}`,
  issuer: ISSUER,
  audience: AUDIENCE,
  keys: { keys: [jwk] },
}
const apis = Array.from({ length: PROCESSES }, () => {
  const api = fork(new URL('api.ts', import.meta.url))
  return api.once('exit', (code) => {
    if (code !== 0) process.exit(1)
  })
})
const origins = await Promise.all(
  apis.map(async (api) => {
    order(api, { setup })
    const started = await reportOf(api, (report) => 'origin' in report)
    return (started as { origin: string }).origin
  }),
)
console.log(`Redis on port ${PORT}, and ${PROCESSES} API processes: ${origins.join(', ')}`)

let isLoaded = true
const load = origins.map(async (origin) => {
  const token = await createToken('load')
  let answered = 0
  while (isLoaded) {
    const response = await fetch(origin, { headers: { authorization: `Bearer ${token}` } })
    await response.arrayBuffer()
    if (response.status !== 200) throw new Error(`The load got ${response.status}`)
    answered += 1
  }
  return answered
})

const times: number[][] = apis.map(() => [])
let acceptedAgain = 0
for (let id = 0; id < REVOCATIONS; id += 1) {
  const token = await createToken(`token-${id}`)
  // The token is in the cache of every process before it is revoked.
  for (const origin of origins) await fetch(origin, { headers: { authorization: `Bearer ${token}` } })
  const watching = apis.map((api) => {
    order(api, { watch: token, id })
    return reportOf(api, (report) => 'rejectedAt' in report && report.id === id)
  })
  const [first] = apis as [ChildProcess]
  const revoking = reportOf(first, (report) => 'revokedAt' in report && report.id === id)
  order(first, { revoke: token, id })
  const { revokedAt } = (await revoking) as { revokedAt: number }
  for (const [index, report] of (await Promise.all(watching)).entries()) {
    const { rejectedAt, wasAcceptedAgain } = report as { rejectedAt: number; wasAcceptedAgain: boolean }
    times[index]?.push(Math.max(0, rejectedAt - revokedAt))
    if (wasAcceptedAgain) acceptedAgain += 1
  }
}
isLoaded = false
const requests = await Promise.all(load)

console.log(
  `${REVOCATIONS} revocations by process 1. Time until each process rejected the token, in milliseconds:`,
)
for (const [index, all] of times.entries()) {
  const sorted = all.toSorted((one, other) => one - other)
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1)
  console.log(
    `  process ${index + 1}: median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}; ${requests[index]} other requests meanwhile`,
  )
}
console.log(`${acceptedAgain} of the revoked tokens were accepted again.`)
process.exitCode = acceptedAgain === 0 ? 0 : 1

for (const api of apis) api.disconnect()
redis.kill()
await once(redis, 'exit')
rmSync(folder, { recursive: true, force: true })

function order(api: ChildProcess, message: Order): void {
  api.send(message)
}

/** Waits for the first report of a process that matches. */
function reportOf(api: ChildProcess, matches: (report: Report) => boolean): Promise<Report> {
  return new Promise((resolve) => {
    const listen = (report: Report) => {
      if (!matches(report)) return
      api.off('message', listen)
      resolve(report)
    }
    api.on('message', listen)
  })
}

async function createToken(id: string): Promise<string> {
  return new SignJWT({ jti: id, client_id: 'web' })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject('emma')
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(privateKey)
}
