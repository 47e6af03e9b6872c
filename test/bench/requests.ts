/** Whole requests: the servers in turn within each round, so that what drifts with the machine drifts for all of them. */

import type { Authority } from './authority.ts'
import { type Load, measure, warmUp } from './load.ts'
import { PEERS, type PeerId } from './peers.ts'
import { type Server, startServer } from './servers.ts'

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  /** How many tokens are many. */
  readonly tokens: number
  readonly isQuick: boolean
  /** Only scenarios whose title contains this text are measured. */
  readonly scenarios: string
}

/** One round of one server. */
export interface Measured extends Load {
  readonly id: PeerId
  readonly scenario: string
  readonly round: number
}

interface Scenario {
  readonly title: string
  readonly tokens: readonly string[]
  readonly servers: readonly PeerId[]
}

/** Measured in every round, in a new process each: one process of the same code may be 3 % faster than the next. */
const REFERENCES: readonly PeerId[] = [
  ...['express-bare', 'express-noop', 'express-hash'],
  ...['koa-bare', 'koa-noop', 'koa-hash'],
] as PeerId[]
const BASES: readonly PeerId[] = [...REFERENCES, 'fetch-bare']
const OURS: readonly PeerId[] = ['bearergate-express', 'bearergate-koa', 'bearergate-fetch']
const OTHERS: readonly PeerId[] = [
  'express-oauth2-jwt-bearer',
  'express-jwt',
  'passport-jwt',
  'express-jose',
  'mcp',
  'koa-jwt',
  'hono-jwk',
]
const LOOKUPS: readonly PeerId[] = ['passport-http-bearer', 'hono-bearer']
/** The rounds of peers, which are far enough apart. */
const ROUNDS_OF_PEERS = 3

export async function requests(
  authority: Authority,
  plan: Plan,
  progress: (text: string) => void,
): Promise<readonly Measured[]> {
  const measured: Measured[] = []
  for (const scenario of await scenarios(authority, plan, progress))
    if (scenario.title.includes(plan.scenarios))
      measured.push(...(await inRounds(authority, scenario, plan, progress)))
  return measured
}

async function scenarios(
  { mint }: Authority,
  { tokens: many, isQuick }: Plan,
  progress: (text: string) => void,
): Promise<readonly Scenario[]> {
  const signed = async (alg: Parameters<typeof mint>[0]) => {
    progress(`signing ${many} tokens, ${alg}`)
    const tokens: string[] = []
    while (tokens.length < many)
      tokens.push(...(await Promise.all(Array.from({ length: 100 }, () => mint(alg)))))
    return tokens
  }
  const count = many.toLocaleString('en')
  const rs256 = await signed('RS256')
  const one = rs256.slice(0, 1)
  const all = [...BASES, ...OURS, ...OTHERS]
  const first: readonly Scenario[] = [
    { title: 'RS256, one token', tokens: one, servers: all },
    { title: `RS256, ${count} tokens`, tokens: rs256, servers: all },
  ]
  if (isQuick) return first
  return [
    ...first,
    { title: 'ES256, one token', tokens: [await mint('ES256')], servers: all },
    { title: `ES256, ${count} tokens`, tokens: await signed('ES256'), servers: all },
    {
      title: 'EdDSA, one token',
      tokens: [await mint('EdDSA')],
      servers: [...BASES, ...OURS, 'express-jose'],
    },
    {
      title: 'An opaque token, known to a lookup at once',
      tokens: one,
      servers: [...BASES, 'bearergate-express-lookup', 'bearergate-koa-lookup', ...LOOKUPS],
    },
    {
      title: 'An introspected token, cached',
      tokens: one,
      servers: [...BASES, 'bearergate-express-introspection', 'bearergate-koa-introspection'],
    },
  ]
}

async function inRounds(
  authority: Authority,
  scenario: Scenario,
  { rounds, seconds, isQuick }: Plan,
  progress: (text: string) => void,
): Promise<readonly Measured[]> {
  const measured: Measured[] = []
  const kept = new Map<PeerId, Server>()
  const { title, tokens } = scenario

  async function started(id: PeerId): Promise<Server> {
    const setup = { ...authority.setup, tokens: PEERS[id].by === 'lookup' ? tokens : [] }
    const server = await startServer(id, setup)
    await warmUp(server.origin, tokens, isQuick ? 3_000 : 15_000)
    return server
  }

  try {
    for (let round = 0; round < rounds; round += 1)
      for (const id of scenario.servers) {
        const isPeer = !REFERENCES.includes(id) && !id.startsWith('bearergate-')
        if (isPeer && round >= ROUNDS_OF_PEERS) continue
        progress(`${title}: round ${round + 1} of ${rounds}, ${id}`)
        const server = kept.get(id) ?? (await started(id))
        measured.push({ id, scenario: title, round, ...(await measure(server.origin, tokens, seconds)) })
        if (isPeer) kept.set(id, server)
        else server.stop()
      }
  } finally {
    for (const { stop } of kept.values()) stop()
  }
  return measured
}
