/** The benchmark: whole requests on Express and Koa against bare, no-op and peers, and single verifications; into RESULTS.md. */

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Authority, startAuthority } from './authority.ts'
import { measure, warmUp } from './load.ts'
import { PEERS, type PeerId } from './peers.ts'
import { type Measured, resultsPage, type Scenario } from './results.ts'
import { ALL_CORES, messageOf, pinSelf, type Server, startScript, startServer } from './servers.ts'
import type { Task, Verified } from './verify.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    out: { type: 'string', default: fileURLToPath(new URL('./RESULTS.md', import.meta.url)) },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5))
const seconds = Number(values.seconds ?? (values.quick ? 0.3 : 4))
const many = values.quick ? 2_000 : 20_000

/** In the order in which each round measures them. */
const MEASURED: readonly PeerId[] = [
  'express-bare',
  'express-noop',
  'bearergate-express',
  'bearergate-express-large',
  'express-oauth2-jwt-bearer',
  'express-jwt',
  'passport-jwt',
  'passport-http-bearer',
  'express-jose',
  'mcp',
  'koa-bare',
  'koa-noop',
  'bearergate-koa',
  'bearergate-koa-large',
  'koa-jwt',
]

const began = performance.now()
build()
pinSelf()
const authority = await startAuthority()
const scenarios = await mintScenarios(authority)
const servers = await startServers(authority, scenarios)
const measured: Measured[] = []
try {
  for (const scenario of scenarios) await measureScenario(scenario)
} finally {
  for (const { stop } of servers.values()) stop()
}
const verified = await verifications(authority, scenarios)
await authority.close()
writeFileSync(values.out, resultsPage({ scenarios, measured, verified, rounds, seconds }))
progress(`done, see ${values.out}`)
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

async function mintScenarios({ mint }: Authority): Promise<readonly Scenario[]> {
  progress(`signing ${many} tokens`)
  const tokens: string[] = []
  while (tokens.length < many)
    tokens.push(...(await Promise.all(Array.from({ length: 100 }, () => mint('RS256')))))
  return [
    { title: 'RS256, one token', tokens: tokens.slice(0, 1) },
    { title: 'ES256, one token', tokens: [await mint('ES256')] },
    { title: `RS256, ${many.toLocaleString('en')} tokens`, tokens },
  ]
}

async function startServers(
  { setup }: Authority,
  all: readonly Scenario[],
): Promise<ReadonlyMap<PeerId, Server>> {
  const tokens = all.flatMap((scenario) => scenario.tokens)
  progress(`starting ${MEASURED.length} servers`)
  const started = MEASURED.map(
    async (id) =>
      [id, await startServer(id, { ...setup, tokens: PEERS[id].by === 'lookup' ? tokens : [] })] as const,
  )
  return new Map(await Promise.all(started))
}

/** Rounds A B C, A B C: what drifts with the machine drifts for all of them. */
async function measureScenario(scenario: Scenario): Promise<void> {
  // The larger cache makes no difference where the default one is large enough.
  const takingPart = [...servers].filter(([id]) => !id.endsWith('-large') || scenario.tokens.length > 10_000)
  for (const [id, { origin }] of takingPart) {
    progress(`${scenario.title}: warming up ${id}`)
    await warmUp(origin, scenario.tokens, values.quick ? 2_000 : 20_000)
  }
  for (let round = 0; round < rounds; round += 1)
    for (const [id, { origin }] of takingPart) {
      const load = await measure(origin, scenario.tokens, seconds)
      measured.push({ id, scenario, round, ...load })
      progress(`${scenario.title}: round ${round + 1} of ${rounds}, ${id}: ${Math.round(load.rate)}/s`)
    }
}

async function verifications({ setup, jwks }: Authority, all: readonly Scenario[]): Promise<Verified[]> {
  progress('single verifications')
  const [rs256, es256] = all.map(({ tokens }) => tokens[0])
  if (rs256 === undefined || es256 === undefined) throw new Error('a token is missing')
  const task: Task = { setup, jwks, tokens: { RS256: rs256, ES256: es256 }, seconds: values.quick ? 0.3 : 2 }
  const child = startScript('./verify.ts', ALL_CORES)
  child.send(task)
  return messageOf<Verified[]>(child, 300)
}

function progress(text: string): void {
  const elapsed = `${Math.round((performance.now() - began) / 1000)} s`.padStart(6)
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${elapsed}  ${text}`)
  else process.stderr.write(`${elapsed}  ${text}\n`)
}
