/**
 * Good and bad traffic for minutes while faults rotate, and the checker's verdict with the vitals of the service:
 * `npx pnpm@12.21.0 soak --minutes 10 --rate 1000 --seed 7`. It exits with 1 where anything was lost.
 */

import { Agent, request, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, answers, type Respond, stalls } from './authorization-server.ts'
import { Service, type Vitals } from './child.ts'
import { forgedToken } from './client.ts'
import { Ledger, type Outcome, passes, type TokenClass } from './ledger.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '120' },
    rate: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
})
const minutes = Number(values.minutes)
const rate = Number(values.rate)
const seed = Number(values.seed)
if (!(minutes > 0 && minutes <= 1440 && rate > 0 && rate <= 10_000 && Number.isSafeInteger(seed)))
  throw new TypeError('--minutes, --rate and --seed must be numbers')

/** How long each fault lasts, and the time after it in which its traces are allowed, in seconds. */
const PHASE = 20
const AFTERMATH = 35
/** Tokens are good for so long, in seconds; new ones are made all the time. */
const LIFE = 300
const TICK = 10

const random = fc.sample(fc.integer({ min: 0, max: 999_999 }), { numRuns: 100_003, seed })
let drawn = 0
const draw = (below: number) => (random[drawn++ % random.length] ?? 0) % below

let key: TestKey = await createKey('ES256', 'key-0')
let previous: TestKey | undefined
let rotations = 0
const server = await AuthorizationServer.start(key)
const issuer = server.origin
const service = await Service.start({
  issuer,
  audience: AUDIENCE,
  jwksUri: server.jwksUri,
  cacheMaxAge: 60,
  staleIfError: 3600,
  // Full within minutes, so that what grows afterwards is a leak.
  cache: { max: 2000 },
})
const ledger = new Ledger()
const agent = new Agent({ keepAlive: true, maxSockets: 256 })

const sign = (by: TestKey, claims: Record<string, unknown> = {}) => {
  const now = Math.floor(Date.now() / 1000)
  return by.sign({ iss: issuer, iat: now, exp: now + LIFE, jti: `j${draw(1e6)}`, ...claims })
}

interface Sample {
  readonly token: string
  readonly class: TokenClass
  /** Whose key it is of. */
  readonly by?: TestKey
}

const pool: Sample[] = []
async function mint(): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const token = await sign(key)
  pool.push({ token, class: 'good', by: key })
  pool.push({ token: await sign(key, { exp: now - 60, iat: now - 120 }), class: 'expired' })
  pool.push({ token: await sign(key, { aud: 'https://other.example.com' }), class: 'wrong audience' })
  const forged = `${token.slice(0, token.lastIndexOf('.'))}.${Buffer.alloc(64, 1 + draw(250)).toString('base64url')}`
  pool.push({ token: forged, class: 'forged signature', by: key })
  if (pool.length > 4000) pool.splice(0, 4)
}

/** When the gate's key set was refreshed last, and what the server had published by then. */
let published = { at: 0, kids: new Set([key.kid]) }
let faultUntil = 0
let isStorm = false

function pick(): Sample {
  if (isStorm && draw(2) === 0)
    return { token: forgedToken(issuer, `forged-${draw(1e6)}`), class: 'unknown key' }
  const kind = draw(100)
  if (kind < 2) return { token: '', class: 'none' }
  if (kind < 6) return { token: `${'x'.repeat(1 + draw(9000))}.y`, class: 'garbage' }
  if (kind < 7) return { token: forgedToken(issuer, `forged-${draw(1e6)}`), class: 'unknown key' }
  const sample = pool[draw(pool.length)] as Sample
  if (kind < 80 && sample.class !== 'good') return pool[Math.floor(draw(pool.length) / 4) * 4] as Sample
  return sample
}

function classOf({ class: name, by }: Sample): TokenClass {
  if (by === undefined) return name
  // A key that was published a moment ago may be unknown still: the windows of FX29.
  const isNew = by === key && rotations > 0 && Date.now() < published.at + AFTERMATH * 1000
  if (name === 'forged signature') return isNew || !published.kids.has(by.kid) ? 'unknown key' : name
  if (!published.kids.has(by.kid)) return 'removed key'
  return isNew ? 'new key' : 'good'
}

const latencies: number[] = []
function fire(): void {
  const sample = pick()
  const id = ledger.sent()
  const before = classOf(sample)
  const start = performance.now()
  const done = (outcome: Outcome) => {
    const after = classOf(sample)
    const elapsed = performance.now() - start
    if (before === 'good' && latencies.length < 2_000_000) latencies.push(elapsed)
    // What changed its class on the way may be answered as either.
    const kind =
      before !== after && outcome === 200 ? 'good' : after === 'removed key' ? 'removed key' : before
    const isAmbiguous =
      before !== after || (after === 'removed key' && Date.now() < published.at + AFTERMATH * 1000)
    if (isAmbiguous && (outcome === 200 || outcome === 401))
      ledger.came(id, outcome === 200 ? 'good' : 'removed key', outcome, true)
    else ledger.came(id, kind, outcome, Date.now() < faultUntil)
  }
  const headers = sample.token === '' ? {} : { authorization: `Bearer ${sample.token}` }
  const sent = request(service.origin, { agent, headers, timeout: 15_000 }, (response) => {
    response.resume()
    response.on('end', () => done(response.statusCode ?? 0))
    response.on('error', () => done('lost'))
  })
  sent.on('timeout', () => sent.destroy(new Error('timeout')))
  sent.on('error', () => done('lost'))
  sent.end()
}

interface Phase {
  readonly name: string
  readonly fault?: Respond
  readonly isDown?: boolean
  readonly isStorm?: boolean
  begin?(): void | Promise<void>
}

const PHASES: readonly Phase[] = [
  { name: 'healthy' },
  { name: 'FX02 down', isDown: true },
  { name: 'FX28 rotation with overlap', begin: rotate },
  { name: 'FX22 hang', fault: stalls['FX22 accepts and never answers'] },
  { name: 'FX34 storm', isStorm: true },
  { name: 'FX32 flapping', fault: flap },
  { name: 'FX24 drip', fault: stalls['FX24 sends one byte per second'] },
  { name: 'removal of the old key', begin: removePrevious },
  { name: 'FX14 empty set', fault: answers['FX14 {"keys":[]}'] },
  { name: 'FX35 storm, down', isStorm: true, isDown: true },
]

async function rotate(): Promise<void> {
  rotations += 1
  previous = key
  const next = await createKey('ES256', `key-${rotations}`)
  published = { at: Date.now(), kids: new Set([previous.kid, next.kid]) }
  server.publish(previous, next)
  key = next
}

function removePrevious(): void {
  if (previous === undefined) return
  published = { at: Date.now(), kids: new Set([key.kid]) }
  server.publish(key)
}

function flap(response: ServerResponse, keySet: string): void {
  const isBad = Math.floor(Date.now() / 1000) % 2 === 0
  response.writeHead(isBad ? 500 : 200).end(isBad ? '' : keySet)
}

let isUp = true
async function enter(phase: Phase): Promise<void> {
  server.fault = phase.fault
  isStorm = phase.isStorm === true
  const mustBeUp = phase.isDown !== true
  if (mustBeUp && !isUp) await server.up()
  if (!mustBeUp && isUp) await server.down()
  isUp = mustBeUp
  await phase.begin?.()
  if (!isUp || phase.fault !== undefined) faultUntil = Date.now() + (PHASE + AFTERMATH) * 1000
}

const MiB = 1_048_576
const quantile = (sorted: readonly number[], part: number) => sorted[Math.floor(sorted.length * part)] ?? 0

/** The least-squares slope of the heap over time, in MiB per hour. */
function slopeOf(samples: readonly { at: number; vitals: Vitals }[]): number {
  const mean = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length
  const x = samples.map(({ at }) => at / 3600)
  const y = samples.map(({ vitals }) => vitals.heapUsed / MiB)
  const [mx, my] = [mean(x), mean(y)]
  const over = x.reduce((sum, value, index) => sum + (value - mx) * ((y[index] ?? 0) - my), 0)
  return over / x.reduce((sum, value) => sum + (value - mx) ** 2, 0)
}

for (let count = 0; count < 250; count += 1) await mint()
console.log(`soak: ${minutes} min at ${rate} requests a second, seed ${seed}, Node ${process.version}`)

const start = performance.now()
const elapsed = () => (performance.now() - start) / 1000
const samples: { at: number; vitals: Vitals }[] = []
let phase = -1
let fired = 0
while (elapsed() < minutes * 60) {
  const due = Math.floor(elapsed() / PHASE)
  if (due !== phase) {
    phase = due
    const next = PHASES[phase % PHASES.length] as Phase
    const vitals = await service.vitals()
    samples.push({ at: elapsed(), vitals })
    const { heapUsed, rss, handles, delayP99 } = vitals
    console.log(
      `${elapsed().toFixed(0).padStart(5)} s  heap ${(heapUsed / MiB).toFixed(1)} MiB  rss ${(rss / MiB).toFixed(0)} MiB  handles ${handles}  loop p99 ${delayP99.toFixed(1)} ms  fetches ${server.fetches}  → ${next.name}`,
    )
    await enter(next)
  }
  for (let toFire = Math.min(Math.floor(elapsed() * rate) - fired, rate); toFire > 0; toFire -= 1) {
    fired += 1
    fire()
  }
  if (draw(4) === 0) await mint()
  await new Promise((resolve) => setTimeout(resolve, TICK))
}
await new Promise((resolve) => setTimeout(resolve, 6000))
agent.destroy()
const last = await service.vitals()
const verdict = ledger.verdict()
const warm = samples.filter(({ at }) => at >= Math.min(600, minutes * 30))
latencies.sort((a, b) => a - b)
console.log(Object.fromEntries([...ledger.byClass].sort()))
console.log(verdict)
console.log({
  seed,
  keyFetches: server.fetches,
  keySetEvents: service.keySets.length,
  troubles: service.troubles,
  goodP50: `${quantile(latencies, 0.5).toFixed(1)} ms`,
  goodP99: `${quantile(latencies, 0.99).toFixed(1)} ms`,
  heap: `${(last.heapUsed / MiB).toFixed(1)} MiB`,
  heapSlope: `${slopeOf(warm).toFixed(2)} MiB/h over ${warm.length} samples`,
  loopDelayP99: `${Math.max(...warm.map(({ vitals }) => vitals.delayP99)).toFixed(1)} ms at worst in a phase`,
})
const code = await service.close()
if (isUp) await server.down()
const isGood = passes(verdict) && service.troubles.length === 0 && code === 0
console.log(isGood ? 'Nothing lost.' : 'SOMETHING WAS LOST.')
process.exit(isGood ? 0 : 1)
