/**
 * BI18: whether the time of an opaque lookup tells how nearly right a token is.
 *
 *     node --conditions=@bearergate/source --import tsx test/inputs/timing.ts
 *
 * Takes 2 × 100,000 samples of each question, interleaved at random, and compares them by Welch's t-test.
 * A |t| of 4.5 or more, three times in a row, ends with exit code 1.
 */

import { randomBytes } from 'node:crypto'
import { hashToken, opaque, type TokenVerifier } from '@bearergate/core'

const SAMPLES = 100_000
const ATTEMPTS = 3
const LIMIT = 4.5
/** So many tokens of each class, that no single one of them makes the difference. */
const POOL = 64

interface Classes {
  readonly near: readonly string[]
  readonly far: readonly string[]
}

const good = randomToken()
const stored = await hashToken(good)
const rows = new Map([[stored, { subject: 'emma' }]])

/** As in the README. */
const byMap = opaque({ lookup: (_token, hash) => rows.get(hash) ?? null })
/** As somebody may write it who has few tokens. */
const byComparison = opaque({ lookup: (_token, hash) => (hash === stored ? { subject: 'emma' } : null) })

/** Tokens whose hash begins like the stored one, 12 bits of it, and tokens whose hash does not. */
async function byHash(): Promise<Classes> {
  return collect(randomToken, async (token) => (await hashToken(token)).startsWith(stored.slice(0, 2)))
}

/** Tokens that begin like the good one, half of it, and tokens that do not. */
async function byText(): Promise<Classes> {
  let turn = 0
  const half = good.length / 2
  const make = () =>
    (turn++ % 2 === 0 ? good.slice(0, half) : randomToken().slice(0, half)) + randomToken().slice(half)
  return collect(make, async (token) => token.startsWith(good.slice(0, half)))
}

/** Both classes come out of one mill, so that their strings are alike to the engine. */
async function collect(make: () => string, isNear: (token: string) => Promise<boolean>): Promise<Classes> {
  const near: string[] = []
  const far: string[] = []
  for (let tries = 0; tries < 5_000_000 && (near.length < POOL || far.length < POOL); tries += 1) {
    const token = Buffer.from(make()).toString('latin1')
    const pool = (await isNear(token)) ? near : far
    if (pool.length < POOL) pool.push(token)
  }
  return { near, far }
}

function randomToken(): string {
  return randomBytes(24).toString('base64url')
}

function sample(verifier: TokenVerifier, { near, far }: Classes): number {
  const taken: [near: number[], far: number[]] = [[], []]
  let checks = 0
  while (taken[0].length < SAMPLES || taken[1].length < SAMPLES) {
    const which = Math.random() < 0.5 ? 0 : 1
    if (taken[which].length === SAMPLES) continue
    const token = (which === 0 ? near : far)[checks++ % POOL] ?? ''
    const before = process.hrtime.bigint()
    verifier.verify(token)
    taken[which].push(Number(process.hrtime.bigint() - before))
  }
  // The slowest of a hundred are the garbage collector's and the scheduler's.
  const bound = [...taken[0], ...taken[1]].sort((a, b) => a - b)[Math.floor(SAMPLES * 2 * 0.99)] ?? 0
  const [nearly, hardly] = taken.map((times) => times.filter((time) => time <= bound))
  return welch(nearly ?? [], hardly ?? [])
}

/** Welch's t: the difference of the means, in standard errors. */
function welch(one: readonly number[], two: readonly number[]): number {
  const [a, b] = [moments(one), moments(two)]
  return (a.mean - b.mean) / Math.sqrt(a.variance / one.length + b.variance / two.length)
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, variance: squares / (values.length - 1) }
}

const [hashes, texts] = [await byHash(), await byText()]
const QUESTIONS = {
  'a hash that begins right, in a Map': [byMap, hashes],
  'a hash that begins right, compared': [byComparison, hashes],
  'a token that begins right, in a Map': [byMap, texts],
} as const

for (const [question, [verifier, classes]] of Object.entries(QUESTIONS)) {
  sample(verifier, classes) // once for the compiler
  let passed = false
  for (let attempt = 1; attempt <= ATTEMPTS && !passed; attempt += 1) {
    const t = sample(verifier, classes)
    passed = Math.abs(t) < LIMIT
    console.log(
      `${question}: Welch t = ${t.toFixed(2)} of 2 × ${SAMPLES} samples${passed ? '' : ' (too far)'}`,
    )
  }
  if (!passed) process.exitCode = 1
}
