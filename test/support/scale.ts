/**
 * Says what the issuer, Redis and each process see, by the number of processes, tokens and requests. The tables of docs/scale.md
 * come from here. test/redis/scale.test.ts and test/redis/steady-state.test.ts compare each formula to real counts.
 */

/** What a system has. The letters are those of the page. */
export interface Load {
  /** Processes. */
  readonly N: number
  /** Tokens that are in use at the same time. */
  readonly T: number
  /** Requests per second to all processes together, at random. */
  readonly R: number
  /** Revocations per second. */
  readonly V: number
  /** Revocations in the stream: those whose tokens expired less than an hour ago, or not yet. */
  readonly E: number
  /** How long the keys of the issuer are fresh. In seconds. */
  readonly F: number
  /** `cache.ttl` of introspection. In seconds. */
  readonly L: number
}

/** Sizes in bytes, for tokens with usual claims. */
export const BYTES = {
  /** A revoked session with its issuer, in the stream of Redis. */
  entry: 160,
  /** A result of introspection, with its key, in Redis. */
  result: 570,
  /** A token in the cache of a process. */
  cached: 1260,
  /** The same in the memory of a process. */
  revocation: 370,
  /** The default of `cache.maxBytes`. */
  cache: 67_108_864,
} as const

const grouped = (value: number) => value.toLocaleString('en-US')

/** The largest number of entries in one answer of Redis. */
const PAGE = 1000

/** One formula: how the page writes it, and how it is computed. */
export interface Formula {
  readonly what: string
  readonly text: string
  readonly of: (load: Load) => number
}

export const FORMULAS = {
  keyFetches: {
    what: 'issuer: key fetches per hour',
    text: '3,600 × N ÷ (0.8 × F + N ÷ R)',
    of: ({ N, F, R }) => (3600 * N) / (0.8 * F + N / R),
  },
  connections: { what: 'Redis: connections', text: '2 × N', of: ({ N }) => 2 * N },
  feedCommands: {
    what: 'Redis: commands per second for revocations, at most',
    text: 'N × (4 × V + 2) + 3 × V',
    of: ({ N, V }) => N * (4 * V + 2) + 3 * V,
  },
  startReads: {
    what: 'Redis: reads of a process that starts',
    text: '⌊E ÷ 1,000⌋ + 1',
    of: ({ E }) => Math.floor(E / PAGE) + 1,
  },
  streamMemory: {
    what: 'Redis: memory of the revocations',
    text: `${BYTES.entry} bytes × E`,
    of: ({ E }) => BYTES.entry * E,
  },
  processMemory: {
    what: 'each process: memory of tokens and revocations, at most',
    text: `min(${grouped(BYTES.cached)} bytes × T, 64 MiB) + ${BYTES.revocation} bytes × E`,
    of: ({ T, E }) => Math.min(BYTES.cached * T, BYTES.cache) + BYTES.revocation * E,
  },
  callsAlone: {
    what: 'issuer: introspections per second, without a store',
    text: '1 ÷ (L ÷ (N × T) + 1 ÷ R)',
    of: ({ N, T, R, L }) => 1 / (L / (N * T) + 1 / R),
  },
  callsShared: {
    what: 'issuer: introspections per second, with `redisResults`',
    text: '1 ÷ (L ÷ T + 1 ÷ R)',
    of: ({ T, R, L }) => 1 / (L / T + 1 / R),
  },
  /**
   * `GETRANGE`, `PTTL`, `SET NX` and `SET` of the process that asks, and the first two of each other one that needs the token
   * before `ttl` ends.
   */
  resultCommands: {
    what: 'Redis: commands per second for results',
    text: 'introspections × (4 + 2 × (N − 1) × (1 − e^(−R × L ÷ (N × T))))',
    of: ({ N, T, R, L }) => (4 + 2 * (N - 1) * (1 - Math.exp((-R * L) / (N * T)))) / (L / T + 1 / R),
  },
  resultMemory: {
    what: 'Redis: memory of the results, at most',
    text: `${BYTES.result} bytes × T`,
    of: ({ T }) => BYTES.result * T,
  },
} as const satisfies Record<string, Formula>

/** The systems of the page. */
const SYSTEMS: readonly Pick<Load, 'N' | 'T' | 'R'>[] = [
  { N: 1, T: 1000, R: 100 },
  { N: 4, T: 10_000, R: 2000 },
  { N: 10, T: 100_000, R: 10_000 },
  { N: 100, T: 100_000, R: 100_000 },
  { N: 1000, T: 1_000_000, R: 1_000_000 },
]

/** Tokens of one hour, of which one in ten is revoked. Its entry is kept for another hour. */
function loadOf(system: Pick<Load, 'N' | 'T' | 'R'>): Load {
  const V = system.T / 3600 / 10
  return { ...system, V, E: V * 7200, F: 600, L: 30 }
}

const rounded = (value: number) =>
  Number(value.toPrecision(2)).toLocaleString('en-US', { maximumFractionDigits: 2 })
const mebibytes = (bytes: number) => rounded(bytes / 2 ** 20)

/** The columns of a table: a title, and a formula with the unit that the page shows. */
type Columns = readonly (readonly [title: string, cell: (load: Load) => string])[]

const SYSTEM: Columns = (['N', 'T', 'R'] as const).map((name) => [name, (load) => grouped(load[name])])

function tableOf(columns: Columns): string {
  const all = [...SYSTEM, ...columns]
  const rows = SYSTEMS.map(loadOf).map((load) => all.map(([, cell]) => cell(load)))
  return [all.map(([title]) => title), all.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

const { keyFetches, connections, feedCommands, streamMemory, processMemory } = FORMULAS
const { callsAlone, callsShared, resultCommands, resultMemory } = FORMULAS

/** The tables of the page, by the markers around them. */
export const TABLES = {
  formulas: [
    '| what | formula |',
    '| --- | --- |',
    ...Object.values(FORMULAS).map(({ what, text }) => `| ${what} | ${text} |`),
  ].join('\n'),
  jwt: tableOf([
    ['key fetches per hour', (load) => rounded(keyFetches.of(load))],
    ['Redis connections', (load) => rounded(connections.of(load))],
    ['Redis commands/s', (load) => rounded(feedCommands.of(load))],
    ['Redis memory, MiB', (load) => mebibytes(streamMemory.of(load))],
    ['memory of a process, MiB', (load) => mebibytes(processMemory.of(load))],
  ]),
  introspection: tableOf([
    ['introspections/s without a store', (load) => rounded(callsAlone.of(load))],
    ['introspections/s with it', (load) => rounded(callsShared.of(load))],
    ['Redis commands/s', (load) => rounded(resultCommands.of(load))],
    ['Redis memory, MiB', (load) => mebibytes(resultMemory.of(load))],
  ]),
} as const
