/** Turns the argument of `gate.revoke` into the entry that a store keeps. */

import { assertString, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn } from '../lib/json.ts'
import { mapMaybe } from '../lib/promise.ts'
import { isVisibleToken } from '../lib/syntax.ts'
import { TOKEN_LENGTH } from '../model/credentials.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import type { EntryMembers, RevocationEntry, RevokedName } from '../state/revocations.ts'
import { PresentedToken } from '../verify/presented.ts'
import { isInactive } from '../verify/verification.ts'

/**
 * A revocation of one token, of all tokens of a session, or of all tokens of a subject that were issued before a point in time.
 * One token is named by its text (not a hash, and without `Bearer`) or by its `tokenId`. With `issuer`, the revocation applies only to tokens of that
 * issuer.
 *
 * `expiresAt`, in seconds since the epoch, is when the last of these tokens expires. The store can forget the revocation after
 * that. If you revoke a JWT by its text, the default is the `exp` of the token. Without `expiresAt` and such an `exp`, the
 * store keeps the revocation for its `maxTokenLifetime`.
 */
export type Revocation =
  | string
  | { readonly token: string; readonly expiresAt?: Seconds | undefined }
  | RevokedName

/** All members that a revocation may have: those of an entry, and the text of a token instead of its hash. */
type Members = Omit<EntryMembers, 'tokenHash'> & { readonly token?: string | undefined }

const MEMBERS = ['token', 'tokenId', 'sessionId', 'subject', 'issuedBefore', 'issuer', 'expiresAt'] as const

/**
 * Checks a revocation, replaces the text of a token by its hash, and adds the default of `issuedBefore`.
 * @param now in seconds since the epoch
 * @param clockTolerance how far the clock of the issuer may be ahead
 * @throws TypeError if it is not a revocation
 */
export function revocationEntry(
  revocation: Revocation,
  now: Seconds,
  clockTolerance: Seconds,
): RevocationEntry | Promise<RevocationEntry> {
  const { token, ...entry } = readRevocation(revocation)
  if (entry.subject !== undefined)
    return { ...entry, subject: entry.subject, issuedBefore: entry.issuedBefore ?? now + clockTolerance }
  if (token === undefined) return entry as RevocationEntry
  const presented = new PresentedToken(token)
  const expiresAt = entry.expiresAt ?? expiryOf(presented)
  return mapMaybe(presented.revocationHash, (tokenHash) => ({ tokenHash, expiresAt }))
}

function readRevocation(revocation: Revocation): Members {
  const given = typeof revocation === 'string' ? { token: revocation } : revocation
  const read: Members = readOptions('revoke', given, MEMBERS)
  const [named, ...others] = (['token', 'tokenId', 'sessionId', 'subject'] as const).filter(
    (name) => read[name] !== undefined,
  )
  if (named === undefined || others.length > 0)
    throw configurationError(
      'INVALID_ARGUMENT',
      '"revoke" needs the text of a token, or an object with one of "token", "tokenId", "sessionId" and "subject"',
    )
  if (read.issuedBefore !== undefined && named !== 'subject')
    throw configurationError('CONFLICTING_OPTIONS', '"issuedBefore" can only be combined with "subject"')
  if (read.issuer !== undefined && named === 'token')
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"issuer" cannot be combined with "token": the text of a token is enough',
    )
  if (named === 'token') tokenText(read.token)
  else assertString(named, read[named])
  if (read.issuer !== undefined) assertString('issuer', read.issuer)
  for (const name of ['issuedBefore', 'expiresAt'] as const)
    if (read[name] !== undefined && !isNumericDate(read[name]))
      throw configurationError('INVALID_OPTION', `"${name}" must be a date in seconds since the epoch`)
  return read
}

function tokenText(value: unknown): void {
  if (typeof value !== 'string' || value.length > TOKEN_LENGTH.max || !isVisibleToken(value))
    throw configurationError(
      'INVALID_ARGUMENT',
      '"revoke" needs the text of the token itself, in visible ASCII characters, without "Bearer" before it',
    )
}

/** The `exp` of a JWT. Nothing is verified: the caller of `revoke` is trusted, and the entry is about this very text. */
function expiryOf({ jws }: PresentedToken): Seconds | undefined {
  const exp = isInactive(jws) ? undefined : getOwn(jws.claims ?? {}, 'exp')
  return isNumericDate(exp) ? exp : undefined
}
