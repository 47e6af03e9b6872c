/** Finds differences between values of a token and of the configuration that are hard to see. */

/** How many values are compared, and how long they may be. */
const MAX_COMPARED = 8
const MAX_COMPARED_LENGTH = 256

/** A value of a token that is almost a configured one. */
export interface NearMiss {
  readonly value: string
  /** How it differs, such as `by a trailing slash`. */
  readonly difference: string
}

/** Returns the first value that hardly differs from a configured one. */
export function nearestMiss(actual: readonly string[], expected: readonly string[]): NearMiss | undefined {
  for (const value of actual.slice(0, MAX_COMPARED))
    for (const ours of expected.slice(0, MAX_COMPARED)) {
      const difference = value.length > MAX_COMPARED_LENGTH ? undefined : differenceOf(value, ours)
      if (difference !== undefined) return { value, difference }
    }
  return undefined
}

function differenceOf(actual: string, expected: string): string | undefined {
  const bare = (value: string) => value.replace(/\/$/, '')
  const withoutScheme = (value: string) => value.replace(/^https?:(?:\/\/)?/, '')
  if (bare(actual) === bare(expected)) return 'by a trailing slash'
  if (actual.toLowerCase() === expected.toLowerCase()) return 'in upper and lower case'
  if (actual.trim() === expected.trim()) return 'by a space at the beginning or the end'
  if (withoutScheme(actual) !== withoutScheme(expected)) return undefined
  return /^https?:/.test(actual) && /^https?:/.test(expected) ? 'in http and https' : 'by "https://"'
}
