/**
 * Sizes the tests that try many inputs. `BEARERGATE_FUZZ_RUNS` multiplies the number of random inputs. Below 1 it also
 * thins out the lists that are tried in full otherwise. `BEARERGATE_FUZZ_SEED` chooses the inputs: a number, or `random`.
 * The default is a fixed seed, so that a commit passes or fails for everyone alike; the nightly run explores other seeds.
 * Uses nothing of Node, because `test/inputs` runs on every runtime.
 */

const environment: Readonly<Record<string, string | undefined>> =
  typeof process === 'undefined' ? {} : (process.env ?? {})

function fromEnvironment(name: string, preset: number): number {
  const text = environment[name]
  const value = text === undefined ? preset : Number(text)
  if (!Number.isFinite(value)) throw new TypeError(`${name} must be a number`)
  return value
}

export const multiplier = fromEnvironment('BEARERGATE_FUZZ_RUNS', 1)
if (multiplier <= 0) throw new TypeError('BEARERGATE_FUZZ_RUNS must be greater than 0')

/** A signed integer of 32 bits, as fast-check counts its seeds. */
export const seed = Math.trunc(
  environment.BEARERGATE_FUZZ_SEED === 'random'
    ? (Math.random() - 0.5) * 2 ** 32
    : fromEnvironment('BEARERGATE_FUZZ_SEED', 9068),
)

/** The message of an assertion that depends on the seed: how to see the failure again. */
export const AGAIN = `again with BEARERGATE_FUZZ_SEED=${seed} BEARERGATE_FUZZ_RUNS=${multiplier}`

/** Returns how many inputs to try: the number given, times `BEARERGATE_FUZZ_RUNS`, and never none. */
export function scaled(runs: number): number {
  return Math.max(1, Math.ceil(runs * multiplier))
}

/**
 * Returns all of a list, or a share of it if `BEARERGATE_FUZZ_RUNS` is below 1: one item at random from each of so many
 * parts of equal length. A fixed step would meet the same column of a matrix again and again.
 * @param atLeast how many items are kept, however small the share is
 */
export function sampled<T>(list: readonly T[], atLeast = 1): readonly T[] {
  const count = Math.max(atLeast, scaled(list.length))
  if (count >= list.length) return list
  const random = randomFrom(seed)
  const start = (part: number) => Math.floor((part * list.length) / count)
  return Array.from({ length: count }, (_, part) => {
    const index = start(part) + Math.floor(random() * (start(part + 1) - start(part)))
    return list[index] as T
  })
}

/** Returns a generator of numbers from 0 to 1 (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
