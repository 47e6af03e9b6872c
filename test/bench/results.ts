/** What was measured, as the page RESULTS.md. */

import { ALGS } from './authority.ts'
import { GENERATOR, type Load } from './load.ts'
import { type Host, PEERS, type PeerId } from './peers.ts'
import { machine, median, spread, table, versions } from './report.ts'
import { isPinned } from './servers.ts'
import type { Verified } from './verify.ts'

export interface Scenario {
  readonly title: string
  readonly tokens: readonly string[]
}

/** One round of one server. */
export interface Measured extends Load {
  readonly id: PeerId
  readonly scenario: Scenario
  readonly round: number
}

export interface Results {
  readonly scenarios: readonly Scenario[]
  readonly measured: readonly Measured[]
  readonly verified: readonly Verified[]
  readonly rounds: number
  readonly seconds: number
}

const HOSTS = [
  { host: 'express', title: 'Express', bare: 'express-bare', noop: 'express-noop' },
  { host: 'koa', title: 'Koa', bare: 'koa-bare', noop: 'koa-noop' },
] as const satisfies readonly { host: Host; title: string; bare: PeerId; noop: PeerId }[]

export function resultsPage({ scenarios, measured, verified, rounds, seconds }: Results): string {
  const ids = [...new Set(measured.map(({ id }) => id))]
  const packages = versions([...ids.flatMap((id) => PEERS[id].packages), ...VERIFIERS])
  const parts = [
    '# Results',
    'Written by `npx pnpm bench`; with `--quick` in two minutes, with fewer tokens and shorter rounds. Only the ratios within one run mean anything: absolute figures are the machine’s.',
    [
      `- Machine: ${machine()}`,
      `- Load: ${GENERATOR}, 32 connections, a small JSON answer; every answer must be 200`,
      `- Cores: ${isPinned ? 'the server on core 0, load generator and authorization server on core 1' : 'not pinned'}`,
      `- Rounds: ${rounds} of ${seconds} s, the servers in turn within each round (A B C, A B C); medians`,
      '- Ratios: the median of the ratios within each round. Spread: from the slowest to the fastest round, as a share of the median',
      '- Many tokens are sent in turn: an LRU with fewer entries than tokens never has the next one',
      `- Versions: ${packages}`,
    ].join('\n'),
    ...HOSTS.flatMap((framework) => [
      `## Whole requests, ${framework.title}`,
      ...scenarios.flatMap((scenario) => [
        `### ${scenario.title}`,
        requestTable(
          measured.filter((one) => one.scenario === scenario && PEERS[one.id].host === framework.host),
          framework,
        ),
      ]),
    ]),
    saturation(measured),
    '## One verification, in µs',
    'From `dist`, not pinned: what the thread pool does may use another core. “64 at a time” is the elapsed time for each; “loop busy” is the part of it that keeps the event loop from other work.',
    verificationTable(verified),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function requestTable(all: readonly Measured[], { bare, noop }: { bare: PeerId; noop: PeerId }): string {
  const rates = (id: PeerId) => all.filter((one) => one.id === id).map(({ rate }) => rate)
  const share = (id: PeerId, base: PeerId) => {
    const bases = rates(base)
    return median(rates(id).map((rate, round) => rate / (bases[round] ?? Number.NaN))).toFixed(2)
  }
  return table(
    ['', 'requests/s', 'spread', 'of bare', 'of the no-op'],
    [...new Set(all.map(({ id }) => id))].map((id) => [
      PEERS[id].title,
      Math.round(median(rates(id))).toLocaleString('en'),
      `${Math.round(spread(rates(id)) * 100)} %`,
      share(id, bare),
      share(id, noop),
    ]),
  )
}

/** Where the generator had no time left, a server may be faster than it looks. */
function saturation(measured: readonly Measured[]): string {
  const busy = measured.filter(({ generator = 0 }) => generator > 0.95).map(({ id }) => id)
  if (busy.length === 0) return ''
  const names = [...new Set(busy)].map((id) => `\`${id}\``).join(', ')
  return `**The load generator was at its own limit** (above 95 % of a core) with ${names}: those are faster than they look, and ratios to them are too good. Install wrk.`
}

const VERIFIERS = ['jose', 'fast-jwt', 'jsonwebtoken', 'aws-jwt-verify']

function verificationTable(verified: readonly Verified[]): string {
  return table(
    ['', ...ALGS.flatMap((alg) => [`${alg} alone`, '64 at a time', 'loop busy'])],
    [...new Set(verified.map(({ name }) => name))].map((name) => [
      name,
      ...ALGS.flatMap((alg) => {
        const one = verified.find((each) => each.name === name && each.alg === alg)
        return one === undefined ? ['', '', ''] : [one.alone, one.together, one.busy].map(microseconds)
      }),
    ]),
  )
}

function microseconds(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}
