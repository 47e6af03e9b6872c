/** What was measured, as the page RESULTS.md. */

import { ALGS } from './authority.ts'
import type { ColdStarts } from './cold-starts.ts'
import type { Costs } from './costs.ts'
import type { Floods } from './floods.ts'
import { goals } from './goals.ts'
import { GENERATOR } from './load.ts'
import { type Host, PEERS, type PeerId } from './peers.ts'
import type { Profile } from './profile.ts'
import type { Rejected } from './rejections.ts'
import { machine, median, spread, table, versions } from './report.ts'
import type { Measured, Plan } from './requests.ts'
import { isPinned } from './servers.ts'
import type { Verified } from './verify.ts'

export interface Results {
  readonly plan: Plan
  readonly requests: readonly Measured[]
  readonly verified: readonly Verified[]
  readonly profiles: readonly Profile[]
  readonly rejected: readonly Rejected[]
  readonly cold: readonly ColdStarts[]
  readonly costs: Costs | undefined
  readonly floods: Floods | undefined
}

const HOSTS = [
  { host: 'express', title: 'Express', bare: 'express-bare', hash: 'express-hash' },
  { host: 'koa', title: 'Koa', bare: 'koa-bare', hash: 'koa-hash' },
  { host: 'fetch', title: 'fetch, on Hono’s server for Node', bare: 'fetch-bare', hash: undefined },
] as const satisfies readonly { host: Host; title: string; bare: PeerId; hash: PeerId | undefined }[]

export function resultsPage(results: Results): string {
  const { plan, requests, verified, profiles, rejected, cold, costs, floods } = results
  const ids = [...new Set(requests.map(({ id }) => id))]
  const packages = versions([...ids.flatMap((id) => PEERS[id].packages), ...VERIFIERS])
  const parts = [
    '# Results',
    `Written by \`npx pnpm@12.21.0 bench${plan.isQuick ? ' --quick' : ''}${plan.scenarios === '' ? '' : ` --scenarios ${plan.scenarios}`}\`. Compare only ratios within one run: absolute figures depend on the machine.`,
    [
      `- Machine: ${machine()}`,
      `- Load: ${GENERATOR}, 32 connections, a small JSON answer; every answer must be 200`,
      `- Cores: ${isPinned ? 'the server on core 0, load generator and authorization server on core 1' : 'not pinned'}`,
      `- Rounds: ${plan.rounds} of ${plan.seconds} s, peers up to 3, the servers in turn within each round (A B C, A B C); bearergate, bare, no-op and hash-only in a new process each round; medians`,
      '- Ratios: the median of the ratios within each round. Spread: from the slowest to the fastest round, as a share of the median',
      '- Many tokens are sent in turn. An LRU with fewer entries than tokens never has the next one. bearergate has its default settings',
      '- “Hash-only” is a middleware that hashes the token with SHA-256 and calls `next`: the least that a guard must do which keeps no token text',
      `- Versions: ${packages}`,
    ].join('\n'),
    '## Goals',
    goals(results),
    ...inTheWay(profiles, costs),
    ...HOSTS.flatMap((framework) => [
      `## Whole requests, ${framework.title}`,
      ...scenariosOf(requests, framework.host).flatMap((scenario) => [
        `### ${scenario}`,
        requestTable(
          requests.filter((one) => one.scenario === scenario && PEERS[one.id].host === framework.host),
          framework,
        ),
      ]),
    ]),
    saturation(requests),
    ...(verified.length === 0 ? [] : verifications(verified)),
    ...(cold.length === 0 ? [] : coldPages(cold)),
    ...(costs === undefined ? [] : costPages(costs)),
    ...(rejected.length === 0 ? [] : rejectionPages(rejected)),
    ...(floods === undefined ? [] : floodPages(floods)),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

/** Those in which somebody guards something. */
function scenariosOf(requests: readonly Measured[], host: Host): readonly string[] {
  const guarded = requests.filter(({ id }) => PEERS[id].host === host && PEERS[id].by !== 'nothing')
  return [...new Set(guarded.map(({ scenario }) => scenario))]
}

/** One server's rate as a share of another's, round by round. */
export function shares(all: readonly Measured[], id: PeerId, base: PeerId): readonly number[] {
  const rates = (which: PeerId) =>
    new Map(all.filter((one) => one.id === which).map((one) => [one.round, one.rate]))
  const bases = rates(base)
  return [...rates(id)].map(([round, rate]) => rate / (bases.get(round) ?? Number.NaN))
}

/** The median of the shares. */
export function share(all: readonly Measured[], id: PeerId, base: PeerId): number {
  const ratios = shares(all, id, base)
  return ratios.length === 0 ? Number.NaN : median(ratios)
}

function requestTable(
  all: readonly Measured[],
  { bare, hash }: { bare: PeerId; hash: PeerId | undefined },
): string {
  const rates = (id: PeerId) => all.filter((one) => one.id === id).map(({ rate }) => rate)
  return table(
    ['', 'requests/s', 'spread', 'of bare', ...(hash === undefined ? [] : ['of hash-only'])],
    [...new Set(all.map(({ id }) => id))].map((id) => [
      PEERS[id].title,
      Math.round(median(rates(id))).toLocaleString('en'),
      `${Math.round(spread(rates(id)) * 100)} %`,
      share(all, id, bare).toFixed(2),
      ...(hash === undefined ? [] : [share(all, id, hash).toFixed(2)]),
    ]),
  )
}

/** Where the generator had no time left, a server may be faster than it looks. */
function saturation(requests: readonly Measured[]): string {
  const busy = requests.filter(({ generator = 0 }) => generator > 0.95).map(({ id }) => id)
  if (busy.length === 0) return ''
  const names = [...new Set(busy)].map((id) => `\`${id}\``).join(', ')
  return `**The load generator was at its own limit** (above 95 % of a core) with ${names}: those are faster than they look, and ratios to them are too good. Install wrk.`
}

const VERIFIERS = ['jose', 'fast-jwt', 'jsonwebtoken', 'aws-jwt-verify', 'jwks-rsa']

function verifications(verified: readonly Verified[]): readonly string[] {
  return [
    '## One verification, in µs',
    'From `dist`, not pinned: the thread pool may use another core. “64 at a time” is the elapsed time for each. “Loop busy” is the part of it that keeps the event loop from other work.',
    table(
      ['', ...ALGS.flatMap((alg) => [`${alg} alone`, '64 at a time', 'loop busy'])],
      [...new Set(verified.map(({ name }) => name))].map((name) => [
        name,
        ...ALGS.flatMap((alg) => {
          const one = verified.find((each) => each.name === name && each.alg === alg)
          return one === undefined ? ['', '', ''] : [one.alone, one.together, one.busy].map(microseconds)
        }),
      ]),
    ),
    'bearergate without its cache, as a share of jose (medians of the ratios within each round):',
    table(
      ['', 'awaited one by one', '64 at a time', 'loop busy'],
      verified
        .filter(({ name }) => name === 'bearergate, not cached')
        .map(({ alg, ofJose }) => [
          alg,
          ...[ofJose.alone, ofJose.together, ofJose.busy].map((ratio) => ratio.toFixed(2)),
        ]),
    ),
  ]
}

function microseconds(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}

/** Says where the time and the bytes are that goals limit. */
function inTheWay(profiles: readonly Profile[], costs: Costs | undefined): readonly string[] {
  if (profiles.length === 0) return []
  const names = [...new Set(profiles.flatMap(({ parts }) => parts.map(([part]) => part)))]
  const timeOf = ({ parts }: Profile, name: string) => parts.find(([part]) => part === name)?.[1] ?? 0
  const total = ({ parts }: Profile) => parts.reduce((sum, [, time]) => sum + time, 0)
  return [
    '### What stands in the way',
    'Microseconds of the main thread for one RS256 token by part, from CPU profiles that `profile.ts` takes. The tokens come 64 at a time. The profiler itself takes a part of the time, so compare parts and not sums with other tables.',
    table(
      ['', ...profiles.map(({ what }) => what)],
      [
        ...names.map((name) => [name, ...profiles.map((one) => timeOf(one, name).toFixed(2))]),
        ['all', ...profiles.map((one) => total(one).toFixed(2))],
      ],
    ),
    ...(costs === undefined
      ? []
      : [
          'Minified bytes of `createGate` and `scope` for the edge, before gzip, without jose and lru-cache, by folder of the core:',
          table(
            ['folder', 'bytes'],
            costs.edge.folders.map(([folder, bytes]) => [folder, bytes.toLocaleString('en')]),
          ),
          importPart(costs),
          memberPart(costs),
        ]),
  ]
}

/** Says which part of the import is the code, and which the number of files. */
function importPart({ imports }: Costs): string {
  const { core, asOneFile, files } = imports
  return `The import of the core loads ${files} files, because \`dist\` has one file for each file of the source. As one file, made by esbuild, the same code takes ${asOneFile.toFixed(1)} ms instead of ${core.toFixed(1)} ms.`
}

/** Says what Express makes of each member that middleware adds to a request. */
function memberPart({ members: { replaced, plain } }: Costs): string {
  return `Express replaces the prototype of each request. After that, a member that middleware adds to the request takes ${replaced.toFixed(0)} ns with this Node, and ${plain.toFixed(0)} ns without a new prototype: V8 of Node 20 and 22 then copies the description of all members. bearergate adds two: \`identity\`, and the decision.`
}

function coldPages(cold: readonly ColdStarts[]): readonly string[] {
  return [
    '## Cold starts, in ms',
    'A bundled and minified function in a new process, with one RS256 token. “Load” is the time before the first request. Node’s own `fetch` takes most of the first call. The issuer is on loopback: elsewhere each call also costs its round trips.',
    table(
      ['', 'load', 'first request', 'second', 'load and first', 'calls to the issuer'],
      cold.map(({ name, load, first, second, calls }) => [
        name,
        load.toFixed(0),
        first.toFixed(0),
        second.toFixed(1),
        (load + first).toFixed(0),
        String(calls),
      ]),
    ),
  ]
}

function costPages({ growth, memory, imports, edge }: Costs): readonly string[] {
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
  return [
    '## Growth: one cached verification, in ns',
    'The row without a verifier is SHA-256 and `Map.get`, the least that a cache without token texts must do. It grows because the entries no longer fit into the caches of the processor.',
    table(
      ['', 'least', '', 'most', '', 'ratio'],
      growth.map(({ what, least, most }) => [
        what,
        least[0].toLocaleString('en'),
        least[1].toFixed(0),
        most[0].toLocaleString('en'),
        most[1].toFixed(0),
        (most[1] / least[1]).toFixed(2),
      ]),
    ),
    '## Memory, import and size',
    [
      `- ${memory.tokens.toLocaleString('en')} cached tokens: ${(memory.total / 2 ** 20).toFixed(1)} MiB; one is ${Math.round(memory.total / memory.tokens)} bytes, ${Math.round(memory.claims)} of them its claims as JSON`,
      `- Import: jose ${imports.jose.toFixed(1)} ms, the core after it ${imports.core.toFixed(1)} ms`,
      `- Bundled for Workers, minified, gzip, without jose: \`createGate\` and \`scope\` ${kilobytes(edge.gate)}, ${kilobytes(edge.withoutLru)} of it without lru-cache; every export ${kilobytes(edge.all)}`,
    ].join('\n'),
  ]
}

function floodPages({ cold, forged, garbage }: Floods): readonly string[] {
  const rates = (name: 'good' | 'mixed' | 'refused') =>
    Math.round(median(garbage.map((one) => one[name]))).toLocaleString('en')
  return [
    '## Floods',
    [
      `- ${cold.requests.toLocaleString('en')} cold requests at once: ${cold.fetches} fetch of keys`,
      `- ${forged.requests.toLocaleString('en')} tokens with forged key ids in ${forged.seconds.toFixed(1)} s: ${forged.fetches} fetches`,
      `- Express, good requests alone: ${rates('good')}/s; where nine of ten are garbage (no token, forged signatures, unknown keys, expired, another issuer’s): ${rates('mixed')}/s in all, ${rates('refused')} of them refused. Good requests keep their tenth of that, which is ${garbageShare(garbage).toFixed(2)} of what they had if all were good`,
    ].join('\n'),
  ]
}

/** What a request among garbage has of the throughput that it had among good ones. */
export function garbageShare(garbage: Floods['garbage']): number {
  return median(garbage.map(({ good, mixed }) => mixed / good))
}

function rejectionPages(rejected: readonly Rejected[]): readonly string[] {
  const columns = ['one', 'audiences', 'chained', 'listed'] as const
  const cell = (row: Rejected, column: (typeof columns)[number]) => {
    const reference = rejected.find(({ kind }) => kind === row.reference) ?? row
    return `${row[column].toFixed(1)} (${(row[column] / reference[column]).toFixed(2)})`
  }
  return [
    '## Rejections',
    'Microseconds of the event loop for one token, 64 at a time, RS256, no listener; in brackets as a share of a forged signature in the same column, with as many strings or claims.',
    table(
      ['token', 'reason', 'one issuer', '10 audiences', 'chain of 20', 'list of 1,000 issuers'],
      rejected.map((row) => [row.kind, row.reason, ...columns.map((column) => cell(row, column))]),
    ),
  ]
}
