/**
 * How the fuzz tests are sized and seeded: `BEARERGATE_FUZZ_SEED=7 BEARERGATE_FUZZ_RUNS=20 npx vitest run test/fuzz`
 * makes twenty times the runs, from the seed 7; without them the runs are those of each test, from a new seed.
 */

import fc from 'fast-check'
import { vi } from 'vitest'
import { KEPT } from './seeds.ts'

function fromEnvironment(name: string, preset: number): number {
  const value = Number(process.env[name] ?? preset)
  if (!Number.isSafeInteger(value)) throw new TypeError(`${name} must be a whole number`)
  return value
}

/** Of 32 bits with a sign, as fast-check counts them. */
const seed = fromEnvironment('BEARERGATE_FUZZ_SEED', Math.trunc((Math.random() - 0.5) * 2 ** 32))
const multiplier = Math.max(1, fromEnvironment('BEARERGATE_FUZZ_RUNS', 1))

console.info(`fuzz: BEARERGATE_FUZZ_SEED=${seed} BEARERGATE_FUZZ_RUNS=${multiplier}`)

// Bounded by their runs; the time is for a busy machine.
vi.setConfig({ testTimeout: 120_000 * multiplier })

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
  return report(id, property, { seed, numRuns: runs * multiplier })
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
