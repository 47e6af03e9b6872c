/**
 * The benchmark: whole requests beside bare frameworks, no-ops and peers; single verifications; profiles; cold starts; growth, memory, size,
 * fetches and floods. Into RESULTS.md and throughput.svg. `--quick` in two minutes, `--only requests,verifications` for parts of it,
 * `--scenarios RS256` for some of the requests.
 */

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ALGS, startAuthority } from './authority.ts'
import { chart } from './chart.ts'
import { coldStarts } from './cold-starts.ts'
import { costs } from './costs.ts'
import { floods } from './floods.ts'
import type { Profile, ProfileTask } from './profile.ts'
import type { Rejected } from './rejections.ts'
import { requests } from './requests.ts'
import { type Results, resultsPage } from './results.ts'
import { ALL_CORES, messageOf, pinSelf, startScript } from './servers.ts'
import type { Task, Verified } from './verify.ts'

const PARTS = ['requests', 'verifications', 'profiles', 'rejections', 'cold', 'costs', 'floods'] as const

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', default: PARTS.join() },
    scenarios: { type: 'string', default: '' },
    out: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
  },
})
const plan = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
  seconds: Number(values.seconds ?? (values.quick ? 1 : 2)),
  tokens: values.quick ? 2_000 : 20_000,
  isQuick: values.quick,
  scenarios: values.scenarios,
}
const isWanted = (part: (typeof PARTS)[number]) => values.only.split(',').includes(part)

const began = performance.now()
build()
pinSelf()
const authority = await startAuthority()
let results: Results = {
  plan,
  requests: [],
  verified: [],
  profiles: [],
  rejected: [],
  cold: [],
  costs: undefined,
  floods: undefined,
}
// The page is written after each part, so that a failure loses one part only.
const measure: Readonly<Record<(typeof PARTS)[number], () => Promise<Partial<Results>>>> = {
  requests: async () => ({ requests: await requests(authority, plan, progress) }),
  verifications: async () => ({ verified: await verifications() }),
  profiles: async () => ({ profiles: await profiles() }),
  rejections: async () => ({ rejected: await rejections() }),
  cold: async () => ({ cold: await coldStarts(authority, values.quick, progress) }),
  costs: async () => ({ costs: await costs(values.quick, progress) }),
  floods: async () => ({ floods: await floods(authority, plan, progress) }),
}
for (const part of PARTS.filter(isWanted)) {
  results = { ...results, ...(await measure[part]()) }
  writeFileSync(join(values.out, 'RESULTS.md'), resultsPage(results))
  if (part === 'requests') writeFileSync(join(values.out, 'throughput.svg'), chart(results.requests))
}
await authority.close()
progress(`done, see ${join(values.out, 'RESULTS.md')}\n`)
process.exit(0)

/** The servers and the verifications load bearergate from `dist`, as its users do. */
function build(): void {
  progress('building')
  const root = fileURLToPath(new URL('../../', import.meta.url))
  execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-b'], {
    cwd: root,
    stdio: 'inherit',
  })
}

async function verifications(): Promise<Verified[]> {
  progress('single verifications')
  const { setup, jwks, mint } = authority
  const tokens = Object.fromEntries(await Promise.all(ALGS.map(async (alg) => [alg, await mint(alg)])))
  const task: Task = { setup, jwks, tokens, rounds: plan.isQuick ? 3 : 7, seconds: plan.isQuick ? 0.1 : 0.3 }
  const child = startScript('./verify.ts', ALL_CORES)
  child.send(task)
  return messageOf<Verified[]>(child, 600)
}

async function profiles(): Promise<readonly Profile[]> {
  progress('profiles')
  const { setup, jwks, mint } = authority
  const count = plan.isQuick ? 256 : 2_048
  const tokens = await Promise.all(
    Array.from({ length: count }, (_, index) => mint('RS256', { jti: String(index), sub: `user-${index}` })),
  )
  const task: ProfileTask = { setup, jwks, tokens, rounds: plan.isQuick ? 3 : 15 }
  const child = startScript('./profile.ts', ALL_CORES)
  child.send(task)
  return messageOf<Profile[]>(child, 600)
}

async function rejections(): Promise<readonly Rejected[]> {
  progress('rejections')
  const child = startScript('./rejections.ts', ALL_CORES)
  child.send({ seconds: plan.isQuick ? 0.1 : 0.5 })
  return messageOf<Rejected[]>(child, 600)
}

function progress(text: string): void {
  const elapsed = `${Math.round((performance.now() - began) / 1000)} s`.padStart(6)
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${elapsed}  ${text}`)
  else process.stderr.write(`${elapsed}  ${text}\n`)
}
