/** Where the time of a token goes: CPU profiles of the core, by part. Runs as a child of main.ts. */

import { type Profiler, Session } from 'node:inspector/promises'
import { createGate, jwt } from '@bearergate/core'
import type { JSONWebKeySet } from 'jose'
import type { Setup } from './authority.ts'
import { median } from './report.ts'

/** What the parent sends. */
export interface ProfileTask {
  readonly setup: Setup
  readonly jwks: JSONWebKeySet
  /** Different ones, all good. */
  readonly tokens: readonly string[]
  readonly rounds: number
}

export interface Profile {
  readonly what: string
  /** Microseconds of the main thread for one token, by part, medians of all rounds. */
  readonly parts: readonly (readonly [part: string, time: number])[]
}

/** The first one that fits names the part. The rest of the core is called by its folder. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^\(garbage collector\)/, 'garbage collection'],
  [/^\((?:program|root)\)/, 'runtime, outside of JavaScript'],
  [/ node:internal\/crypto\/hash|^oneShotDigest|lib\/digest/, 'SHA-256'],
  [/ node:internal\/crypto\/|^(?:run|SignJob) $|signature\.node/, 'signature: start and end of a check'],
  // Native functions have no URL.
  [/ node:| $|^RegExp/, 'text: decode, match'],
  [/lru-cache|node\/index\.min|lib\/(?:lru|size)|verify\/cached|cache-limits/, 'cache'],
  [/lib\/(?:freeze)|model\/identity|verify\/claims/, 'identity'],
  [/verify\/jwt\/jws|verify\/presented|lib\/json/, 'text: decode, match'],
  [/verify\/(?:jwt|verification)/, 'checks of header and claims'],
  [/verify\/keys|net\//, 'keys and callers'],
  [/gate\/|extract\/|request\/|lib\/promise|authorize\/|prove\/|lib\/clock/, 'gate'],
]

process.setSourceMapsEnabled(false)
process.once('message', async (task: ProfileTask) => {
  process.send?.(await profiles(task), () => process.disconnect())
})

async function profiles({ setup, jwks, tokens, rounds }: ProfileTask): Promise<readonly Profile[]> {
  const { issuer, audience } = setup
  const options = { issuer, audience, keys: { keys: jwks.keys.map((key) => ({ ...key })) } }
  const through = (gate: ReturnType<typeof createGate>) => (token: string) =>
    gate.authenticate({ header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) })
  const known = createGate(options)
  for (const token of tokens) await through(known)(token)
  const verifier = jwt({ ...options, cache: false })
  return [
    await profile(
      'a new token, by `jwt` without its cache',
      tokens,
      rounds,
      () => (token) => verifier.verify(token),
    ),
    await profile('a new token, by a gate with its cache', tokens, rounds, () =>
      through(createGate(options)),
    ),
    await profile('a known token, by a gate', tokens, rounds, () => through(known)),
  ]
}

async function profile(
  what: string,
  tokens: readonly string[],
  rounds: number,
  create: () => (token: string) => unknown,
): Promise<Profile> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 100 })
  const times = new Map<string, number[]>()
  for (let round = 0; round <= rounds; round += 1) {
    const ask = create()
    await session.post('Profiler.start')
    for (let start = 0; start < tokens.length; start += 64) {
      await Promise.all(tokens.slice(start, start + 64).map(ask))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { profile: taken } = await session.post('Profiler.stop')
    // The first round warms the code up.
    if (round > 0)
      for (const [part, time] of partsOf(taken))
        times.set(part, [...(times.get(part) ?? []), time / tokens.length])
  }
  session.disconnect()
  const parts = [...times].map(([part, all]): [string, number] => [part, median(all)])
  return { what, parts: parts.sort(([, one], [, other]) => other - one) }
}

/** Adds up the time of each part, in microseconds. The time of the benchmark itself, and that in which the thread was idle, belong to none. */
function partsOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyMap<string, number> {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, `${callFrame.functionName} ${callFrame.url}`]))
  const parts = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    if (/^\(idle\)|^dispatch /.test(name) || name.includes('test/bench')) continue
    const part = PARTS.find(([pattern]) => pattern.test(name))?.[1] ?? 'other'
    parts.set(part, (parts.get(part) ?? 0) + (timeDeltas[index] ?? 0))
  }
  return parts
}
