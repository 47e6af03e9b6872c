/** Defines the units of the values that options and tokens contain (RFC 7519 §2). */

/** A duration, or a point in time since the epoch, in seconds. May have a fraction. */
export type Seconds = number

/** 9999-12-31T23:59:59Z, the latest date that a token may contain. Dates in milliseconds, a frequent error, are later. */
const LAST_DATE: Seconds = 253_402_300_799

/**
 * Whether a value is a NumericDate (RFC 7519 §2). `1e999`, which JSON parses as infinity, and dates in milliseconds are not:
 * a token with such an `exp` would never expire.
 */
export function isNumericDate(value: unknown): value is Seconds {
  return typeof value === 'number' && value >= 0 && value <= LAST_DATE
}
