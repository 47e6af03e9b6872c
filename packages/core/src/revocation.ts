/** What was good until somebody took it back: asked on every request, whatever is cached. */

import { sha256 } from '#digest'
import { isToken } from './extract.ts'
import { type Identity, isNumericDate } from './identity.ts'
import { after, disown, readOptions, type Seconds, text } from './options.ts'
import { Unavailable } from './rejection.ts'
import { signedText } from './verify/jws.ts'

/**
 * What to revoke: one token, by its text or by its `tokenId`; or all tokens of a subject that were issued before a point in
 * time, by default until now. With `issuer` only what that issuer issued.
 */
export type Revocation =
  | string
  | { readonly tokenId: string; readonly issuer?: string }
  | { readonly subject: string; readonly issuedBefore?: Seconds; readonly issuer?: string }

/** How many revocations are remembered. None is forgotten before its time, so more are not taken. */
const MAX_REVOCATIONS = 1_000_000

export class Revocations {
  readonly #now: () => Seconds
  /** Hashes of revoked tokens. */
  readonly #tokens = new Set<string>()
  readonly #tokenIds = new Set<string>()
  readonly #subjects = new Map<string, Seconds>()

  /** @param now the time, in seconds since the epoch */
  constructor(now: () => Seconds) {
    this.#now = now
  }

  get size(): number {
    return this.#tokens.size + this.#tokenIds.size + this.#subjects.size
  }

  /**
   * @throws TypeError where it is no revocation
   * @throws RangeError where a million are remembered already
   */
  add(revocation: Revocation): void | PromiseLike<void> {
    if (this.size >= MAX_REVOCATIONS)
      throw new RangeError(`${MAX_REVOCATIONS} revocations are remembered already`)
    if (typeof revocation === 'string')
      return after(hashOf(token(revocation)), (hash) => void this.#tokens.add(hash))
    const read = readOptions('revoke', revocation, ['tokenId', 'subject', 'issuedBefore', 'issuer'])
    const issuer = read.issuer === undefined ? undefined : text('issuer', read.issuer)
    if ('tokenId' in read === 'subject' in read)
      throw new TypeError('"revoke" needs a token, or either "tokenId" or "subject"')
    if ('tokenId' in read) {
      if ('issuedBefore' in read) throw new TypeError('"issuedBefore" goes with "subject" only')
      this.#tokenIds.add(keyOf(text('tokenId', read.tokenId), issuer))
      return
    }
    const before = read.issuedBefore === undefined ? this.#now() : read.issuedBefore
    if (!isNumericDate(before))
      throw new TypeError('"issuedBefore" must be a date in seconds since the epoch')
    const key = keyOf(text('subject', read.subject), issuer)
    this.#subjects.set(key, Math.max(before, this.#subjects.get(key) ?? 0))
  }

  /** Whether any token was revoked by its text. */
  get ofTokens(): boolean {
    return this.#tokens.size > 0
  }

  /**
   * Whether the token is revoked, or what it stands for.
   * @param hash of the token; without it only the identity is looked at
   */
  has(
    hash: string | PromiseLike<string> | undefined,
    identity: Identity<unknown>,
  ): boolean | PromiseLike<boolean> {
    if (this.size === 0) return false
    if (this.#hasIdentity(identity)) return true
    if (hash === undefined || !this.ofTokens) return false
    return after(hash, (digest) => this.#tokens.has(digest))
  }

  #hasIdentity({ tokenId, subject, issuer, issuedAt }: Identity<unknown>): boolean {
    const keys = (name: string) => (issuer === undefined ? [keyOf(name)] : [keyOf(name), keyOf(name, issuer)])
    if (
      this.#tokenIds.size > 0 &&
      tokenId !== undefined &&
      keys(tokenId).some((key) => this.#tokenIds.has(key))
    )
      return true
    if (this.#subjects.size === 0 || subject === undefined) return false
    return keys(subject).some((key) => {
      const before = this.#subjects.get(key)
      return before !== undefined && (issuedAt === undefined || issuedAt < before)
    })
  }
}

/** The hash by which a token is known to have been revoked. */
export function hashOf(text: string): string | Promise<string> {
  return sha256(signedText(text))
}

function token(value: string): string {
  if (isToken(value)) return value
  throw new TypeError('"revoke" needs the token itself, of the syntax b64token, without a scheme')
}

function keyOf(name: string, issuer?: string): string {
  return JSON.stringify(issuer === undefined ? [name] : [name, issuer])
}

/** Asks a function of the user's, which says `true` or `false`, at once or later. */
export function askRevoked<I>(
  isRevoked: (identity: I) => boolean | Promise<boolean>,
  identity: I,
): boolean | PromiseLike<boolean> {
  return after<unknown, boolean>(isRevoked(identity), (answer) => {
    if (typeof answer === 'boolean') return answer
    disown(answer)
    throw new Unavailable('"isRevoked" gave neither true nor false')
  })
}
