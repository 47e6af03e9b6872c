/** One verification: bearergate with and without its cache, and what else verifies a JWT, in turns. Runs as a child of main.ts. */

import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { jwt } from '@bearergate/core'
import { JwtVerifier } from 'aws-jwt-verify'
import { createVerifier } from 'fast-jwt'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { measure } from 'mitata'
import { ALGS, type Alg, type Setup } from './authority.ts'
import { median } from './report.ts'

/** What the parent sends. */
export interface Task {
  readonly setup: Setup
  readonly jwks: JSONWebKeySet
  readonly tokens: Readonly<Record<Alg, string>>
  /** How often each figure is measured, the verifiers in turn (A B C, A B C). */
  readonly rounds: number
  /** How long each time. */
  readonly seconds: number
}

/** Microseconds for one verification. */
interface Figures {
  /** Awaited one by one, median. */
  readonly alone: number
  /** 64 at a time: by the clock, and how long the event loop was busy. */
  readonly together: number
  readonly busy: number
}

/** Medians of all rounds. */
export interface Verified extends Figures {
  readonly name: string
  readonly alg: Alg
  /** Shares of what jose takes: medians of the ratios within each round. */
  readonly ofJose: Figures
}

type Verify = (token: string) => unknown

const AT_A_TIME = 64

// jsonwebtoken has no types of its own; those of others must not change theirs, so none are declared for it.
const jsonwebtoken = createRequire(import.meta.url)('jsonwebtoken') as {
  verify(token: string, key: object, options: { algorithms: Alg[]; issuer: string; audience: string }): object
}

process.setSourceMapsEnabled(false)
process.once('message', async (task: Task) => {
  const results: Verified[] = []
  for (const alg of ALGS) results.push(...(await compare(alg, task)))
  process.send?.(results, () => process.disconnect())
})

const JOSE = 'jose jwtVerify'

async function compare(alg: Alg, task: Task): Promise<Verified[]> {
  const all = verifiers(task, alg)
  const rounds: Map<string, Figures>[] = []
  for (const [name, verify] of all) await mustAccept(name, verify, task.tokens[alg])
  for (let round = 0; round < task.rounds; round += 1) {
    const measured = new Map<string, Figures>()
    for (const [name, verify] of all)
      measured.set(name, await figures(verify, task.tokens[alg], task.seconds))
    rounds.push(measured)
  }
  const middle = (of: (round: Map<string, Figures>, figure: keyof Figures) => number): Figures => {
    const medianOf = (figure: keyof Figures) => median(rounds.map((round) => of(round, figure)))
    return { alone: medianOf('alone'), together: medianOf('together'), busy: medianOf('busy') }
  }
  const at = (round: Map<string, Figures>, name: string, figure: keyof Figures) =>
    round.get(name)?.[figure] ?? Number.NaN
  return all.map(([name]) => ({
    name,
    alg,
    ...middle((round, figure) => at(round, name, figure)),
    ofJose: middle((round, figure) => at(round, name, figure) / at(round, JOSE, figure)),
  }))
}

/** Every one is told the key, the issuer, the audience and the algorithm. */
function verifiers({ setup, jwks }: Task, alg: Alg): readonly (readonly [string, Verify])[] {
  const { issuer, audience, jwksUri } = setup
  const jwk = jwks.keys.find((key) => key.alg === alg)
  if (jwk === undefined) throw new Error(`no key for ${alg}`)
  const keys = { keys: jwks.keys.map((key) => ({ ...key })) }
  const publicKey = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()

  const cached = jwt({ issuer, audience, keys })
  const uncached = jwt({ issuer, audience, keys, cache: false })
  const local = createLocalJWKSet(jwks)
  const fast = { key: pem, algorithms: [alg], allowedIss: issuer, allowedAud: audience }
  const fastUncached = createVerifier({ ...fast, cache: false })
  const fastCached = createVerifier({ ...fast, cache: true })
  const byJsonwebtoken = (token: string) =>
    jsonwebtoken.verify(token, publicKey, { algorithms: [alg], issuer, audience })
  const aws = JwtVerifier.create({ issuer, audience, jwksUri })
  aws.cacheJwks(keys as Parameters<typeof aws.cacheJwks>[0])

  return [
    ['bearergate, cached', (token) => cached.verify(token)],
    ['fast-jwt, cached', fastCached],
    ['bearergate, not cached', (token) => uncached.verify(token)],
    [JOSE, (token) => jwtVerify(token, local, { issuer, audience })],
    ['fast-jwt', fastUncached],
    // jsonwebtoken does not know EdDSA, nor aws-jwt-verify PS256.
    ...(alg === 'EdDSA' ? [] : [['jsonwebtoken', byJsonwebtoken] as const]),
    ...(alg === 'PS256' ? [] : [['aws-jwt-verify', (token: string) => aws.verifySync(token)] as const]),
  ]
}

async function figures(verify: Verify, token: string, seconds: number): Promise<Figures> {
  const stats = await measure(() => verify(token), { min_cpu_time: seconds * 1e9 })
  return { alone: stats.p50 / 1000, ...(await sixtyFour(verify, token, seconds)) }
}

/** For at most so many seconds. What the thread pool does meanwhile is not time of the event loop. */
async function sixtyFour(verify: Verify, token: string, seconds: number) {
  const before = performance.eventLoopUtilization()
  const begin = performance.now()
  let count = 0
  while (performance.now() - begin < seconds * 1000) {
    await Promise.all(Array.from({ length: AT_A_TIME }, () => verify(token)))
    count += AT_A_TIME
    // Without a turn of the event loop its utilization is not updated.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const elapsed = performance.now() - begin
  const { active } = performance.eventLoopUtilization(before)
  return { together: (elapsed * 1000) / count, busy: (active * 1000) / count }
}

/** A verifier that refuses must not look fast, and bearergate refuses by a value. */
async function mustAccept(name: string, verify: Verify, token: string): Promise<void> {
  const result = (await verify(token)) as { active?: boolean }
  if (result.active === false) throw new Error(`${name} does not accept the token`)
}
