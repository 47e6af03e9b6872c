/** What was wanted, what was measured, and whether it was met. */

import { ALGS } from './authority.ts'
import { table } from './report.ts'
import type { Measured } from './requests.ts'
import { garbageShare, type Results, share } from './results.ts'
import type { Verified } from './verify.ts'

interface Goal {
  readonly what: string
  readonly wanted: number
  readonly bound: 'at least' | 'at most'
  readonly measured: number
  readonly unit?: string
}

export function goals(results: Results): string {
  const all = [
    ...ofRequests(results.requests),
    ...ofVerifications(results.verified),
    ...ofColdStarts(results.cold),
    ...ofCosts(results.costs),
    ...ofFloods(results.floods),
  ].filter(({ measured }) => !Number.isNaN(measured))
  return table(
    ['', 'wanted', 'measured', ''],
    all.map(({ what, wanted, bound, measured, unit = '' }) => {
      const isMet = bound === 'at least' ? measured >= wanted : measured <= wanted
      return [
        what,
        `${bound} ${wanted}${unit}`,
        `${digits(measured)}${unit}`,
        isMet ? 'met' : `**not met**, by ${digits(Math.abs(measured - wanted))}${unit}`,
      ]
    }),
  )
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3)
}

function ofRequests(requests: readonly Measured[]): readonly Goal[] {
  const hosts = [
    { host: 'express', title: 'Express', one: 0.95, many: 0.9 },
    { host: 'koa', title: 'Koa', one: 0.93, many: 0.85 },
  ] as const
  return hosts.flatMap(({ host, title, one, many }) =>
    ['RS256', 'ES256'].flatMap((alg) => {
      const of = (suffix: string) =>
        requests.filter(({ scenario }) => scenario.startsWith(`${alg}, ${suffix}`))
      const several = requests.filter(({ scenario }) => new RegExp(`^${alg}, [\\d,]+ tokens`).test(scenario))
      return [
        {
          what: `${title}, ${alg}, one token, share of hash-only`,
          wanted: one,
          bound: 'at least',
          measured: share(of('one token'), `bearergate-${host}`, `${host}-hash`),
        },
        {
          what: `${title}, ${alg}, many tokens, default settings, share of hash-only`,
          wanted: many,
          bound: 'at least',
          measured: share(several, `bearergate-${host}`, `${host}-hash`),
        },
      ] as const
    }),
  )
}

function ofVerifications(verified: readonly Verified[]): readonly Goal[] {
  const one = (name: string, alg: string) => verified.find((each) => each.name === name && each.alg === alg)
  return ALGS.flatMap((alg) => {
    const cached = one('bearergate, cached', alg)
    const fast = one('fast-jwt, cached', alg)
    const uncached = one('bearergate, not cached', alg)
    if (cached === undefined || fast === undefined || uncached === undefined) return []
    const synchronous = ['fast-jwt', 'jsonwebtoken', 'aws-jwt-verify'].flatMap(
      (name) => one(name, alg)?.busy ?? [],
    )
    const goal = (what: string, wanted: number, measured: number): Goal => ({
      what: `${alg}, ${what}`,
      wanted,
      bound: 'at most',
      measured,
    })
    return [
      goal('cached, of fast-jwt’s cache', 0.6, cached.alone / fast.alone),
      goal('not cached, awaited one by one, of jose', 1, uncached.ofJose.alone),
      goal('not cached, 64 at a time, loop busy, of jose', 0.65, uncached.ofJose.busy),
      goal(
        'not cached, loop busy, of the fastest synchronous peer',
        1,
        uncached.busy / Math.min(...synchronous),
      ),
    ]
  })
}

/** With the same number of calls to the issuer: one, and none. */
const COLD_PAIRS = [
  ['bearergate, with `jwksUri`', 'jose by hand', 1.1],
  ['bearergate, with `keys`', 'jose by hand, with the keys', 1.5],
] as const

/** Load and first request, beside code around jose with the same number of calls to the issuer. */
function ofColdStarts(cold: Results['cold']): readonly Goal[] {
  return COLD_PAIRS.flatMap(([ours, theirs, wanted]) => {
    const [one, other] = [ours, theirs].map((name) => cold.find((each) => each.name === name))
    if (one === undefined || other === undefined) return []
    const measured = (one.load + one.first) / (other.load + other.first)
    return [{ what: `Cold start, ${ours}, of ${theirs}`, wanted, bound: 'at most' as const, measured }]
  })
}

function ofCosts(costs: Results['costs']): readonly Goal[] {
  if (costs === undefined) return []
  const { growth, memory, imports, edge } = costs
  return [
    ...growth
      .filter(({ isFloor }) => isFloor !== true)
      .map(
        ({ what, least, most }): Goal => ({
          what: `A cached verification with ${most[0].toLocaleString('en')} ${what}, of one with ${least[0]}`,
          wanted: 1.15,
          bound: 'at most',
          measured: most[1] / least[1],
        }),
      ),
    {
      what: 'Memory of a cached token over its claims',
      wanted: 1024,
      bound: 'at most',
      measured: memory.total / memory.tokens - memory.claims,
      unit: ' bytes',
    },
    {
      what: `Memory of ${memory.tokens.toLocaleString('en')} tokens`,
      wanted: 32,
      bound: 'at most',
      measured: memory.total / 2 ** 20,
      unit: ' MiB',
    },
    { what: 'Import over jose’s own', wanted: 30, bound: 'at most', measured: imports.core, unit: ' ms' },
    {
      what: '`createGate` for the edge, gzip, without jose and lru-cache',
      wanted: 16,
      bound: 'at most',
      measured: edge.withoutLru / 1000,
      unit: ' kB',
    },
  ]
}

function ofFloods(floods: Results['floods']): readonly Goal[] {
  if (floods === undefined) return []
  const { cold, forged, garbage } = floods
  return [
    { what: 'Fetches of keys for 10,000 cold requests', wanted: 1, bound: 'at most', measured: cold.fetches },
    {
      what: `Fetches of keys for ${forged.requests.toLocaleString('en')} forged key ids`,
      wanted: 2 + Math.floor(forged.seconds / 30),
      bound: 'at most',
      measured: forged.fetches,
    },
    {
      what: 'Share of good requests beside 90 % garbage',
      wanted: 0.8,
      bound: 'at least',
      measured: garbageShare(garbage),
    },
  ]
}
