/** Reads what a lookup returned: the row of a database as well as a record that was written for it. */

import { isInherited, isRecord } from '../../lib/plain.ts'
import { quotedList, received } from '../../lib/received.ts'
import { IDENTITY_MEMBERS } from '../../model/identity.ts'
import { MistakeError } from '../../model/unavailable.ts'

type Members = Readonly<Record<string, unknown>>

const DATES: readonly string[] = ['expiresAt', 'issuedAt', 'authenticatedAt']
/** Larger numbers are milliseconds: in seconds, this is the year 5138. */
const MAX_SECONDS = 1e11

/**
 * Returns the members of an identity that a record has. `null` counts as absent, and a `Date` is converted to seconds.
 * @throws MistakeError if it is no record, has an unknown member but no `claims`, or a date in milliseconds
 */
export function readRecord(found: unknown): Members {
  // A record without members would become a token without rights that never expires.
  if (!isRecord(found))
    throw new MistakeError(`"lookup" must return a token record or null, but returned ${received(found)}`)
  const given = Object.entries(found).filter(([, value]) => value !== undefined && value !== null)
  if (given.length === 0)
    throw new MistakeError(
      '"lookup" must return a token record or null, but returned a record without any member',
    )
  const inherited = IDENTITY_MEMBERS.find((name) => isInherited(found, name))
  if (inherited !== undefined)
    throw new MistakeError(
      `"lookup" returned an instance of a class, whose inherited member "${inherited}" would be ignored. Return a plain object, such as { subject: row.subject, expiresAt: row.expiresAt }`,
    )
  const unknown = given.map(([name]) => name).filter((name) => !IDENTITY_MEMBERS.includes(name))
  // A misspelt `expiresAt` would make a token that never expires.
  if (unknown.length > 0 && !given.some(([name]) => name === 'claims'))
    throw new MistakeError(
      `"lookup" returned unknown members: ${quotedList(unknown, 64)}. Return only members of an identity, such as subject, scopes and expiresAt, and put the others into claims: { … }`,
    )
  return Object.fromEntries(
    given
      .filter(([name]) => IDENTITY_MEMBERS.includes(name))
      .map(([name, value]) => [name, DATES.includes(name) ? secondsOf(name, value) : value]),
  )
}

function secondsOf(name: string, value: unknown): unknown {
  const isDate = value instanceof Date
  if (!isDate && typeof value === 'number' && value > MAX_SECONDS)
    throw new MistakeError(
      `"lookup" returned an "${name}" in milliseconds: write it in seconds, such as Math.floor(milliseconds / 1000), or as a Date`,
    )
  return isDate ? Math.floor(value.getTime() / 1000) : value
}
