/**
 * Sizes and seeds the fuzz tests. `BEARERGATE_FUZZ_SEED=7 BEARERGATE_FUZZ_RUNS=20 npx pnpm@12.21.0 test hostile` tries twenty
 * times the inputs from the seed 7. Without them each test tries its own number of inputs from a new seed, which it
 * reports if it fails. `BEARERGATE_FUZZ_RUNS` may be below 1.
 */

import fc from 'fast-check'
import { vi } from 'vitest'
import { KEPT } from './seeds.ts'

function fromEnvironment(name: string, preset: number): number {
  const value = Number(process.env[name] ?? preset)
  if (!Number.isFinite(value)) throw new TypeError(`${name} must be a number`)
  return value
}

/** Of 32 bits with a sign, as fast-check counts them. */
const seed = Math.trunc(fromEnvironment('BEARERGATE_FUZZ_SEED', (Math.random() - 0.5) * 2 ** 32))
const multiplier = fromEnvironment('BEARERGATE_FUZZ_RUNS', 1)
if (multiplier <= 0) throw new TypeError('BEARERGATE_FUZZ_RUNS must be greater than 0')

/** Returns how many inputs to try: the number given, times `BEARERGATE_FUZZ_RUNS`, and never none. */
export function scaled(runs: number): number {
  return Math.max(1, Math.ceil(runs * multiplier))
}

// Bounded by their runs; the time is for a busy machine.
vi.setConfig({ testTimeout: 120_000 * Math.max(1, multiplier) })

/**
 * Runs a property, with the kept seeds of its id first. A failure tells the seed, the path and the smallest input.
 * @returns how many inputs were tried, the kept ones not counted
 */
export async function fuzz<Values>(
  id: string,
  property: fc.IRawProperty<Values>,
  runs: number,
): Promise<number> {
  for (const kept of KEPT.filter((entry) => entry.id === id))
    await report(id, property, { seed: kept.seed, path: kept.path, endOnFailure: true })
  return report(id, property, { seed, numRuns: scaled(runs) })
}

async function report<Values>(
  id: string,
  property: fc.IRawProperty<Values>,
  parameters: fc.Parameters<Values>,
): Promise<number> {
  const details = await fc.check(property, parameters)
  if (details.failed)
    throw new Error(
      `${id}: keep { id: '${id}', seed: ${details.seed}, path: '${details.counterexamplePath}' } in seeds.ts\n` +
        (await fc.asyncDefaultReportMessage(details)),
      { cause: details.errorInstance },
    )
  return details.numRuns
}
