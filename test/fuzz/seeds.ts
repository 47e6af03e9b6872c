/** Seeds that once failed: each is replayed before every run of the property that has its id. */

interface KeptSeed {
  readonly id: string
  readonly seed: number
  /** Where fast-check found the smallest failing input. */
  readonly path: string
}

/** A seed means the same input only while its generators stay as they are: write what it found as a test of its own too. */
export const KEPT: readonly KeptSeed[] = []
