/** Reads the entries of the stream of revocations. */

import type { RevocationEntry } from '@bearergate/core'
import type { StreamEntry } from './connection.ts'

/** How much longer than its tokens an entry is kept: clocks differ, and verifiers tolerate that. In seconds. */
const MARGIN = 3600

/** Returns the revocation of an entry. `undefined` if it is none. */
export function revocationOf({ id, message }: StreamEntry): RevocationEntry | undefined {
  const entry = parsed(message.entry)
  const { tokenHash, tokenId, sessionId, subject, expiresAt, issuedBefore } = entry
  const [name, ...others] = [tokenHash, tokenId, sessionId, subject].filter((given) => given !== undefined)
  const isDate = (value: unknown) =>
    value === undefined || (typeof value === 'number' && Number.isFinite(value))
  if (typeof name !== 'string' || others.length > 0 || !isDate(expiresAt) || !isDate(issuedBefore))
    return undefined
  // The time of the entry and not of its reading: otherwise each restart would reject newer tokens.
  const before =
    subject === undefined ? {} : { issuedBefore: issuedBefore ?? Math.ceil(Number.parseInt(id, 10) / 1000) }
  return { ...entry, ...before } as unknown as RevocationEntry
}

/** Whether all tokens of an entry have expired, even for a slow clock. */
export function hasEnded({ message }: StreamEntry): boolean {
  const { expiresAt } = parsed(message.entry)
  return typeof expiresAt === 'number' && expiresAt + MARGIN < Date.now() / 1000
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text ?? '')) as Record<string, unknown>
  } catch {
    return {}
  }
}
