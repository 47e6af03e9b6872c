/**
 * Runs the fuzz tests. `BEARERGATE_FUZZ_SEED=7 BEARERGATE_FUZZ_RUNS=20 npx pnpm@12.21.0 test hostile` tries twenty times the
 * inputs from the seed 7, and the seed `random` tries new ones. Without them each test tries its own number of inputs from a
 * fixed seed. `BEARERGATE_FUZZ_RUNS` may be below 1: see `../support/sample.ts`.
 */

import fc from 'fast-check'
import { vi } from 'vitest'
import { multiplier, scaled, seed } from '../support/sample.ts'
import { KEPT } from './seeds.ts'

export { AGAIN, sampled, scaled } from '../support/sample.ts'

// Bounded by their runs; the time is for a busy machine.
vi.setConfig({ testTimeout: 600_000 * Math.max(1, multiplier) })

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
