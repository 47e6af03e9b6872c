/**
 * Stores revoked tokens, token ids, sessions and subjects. Gates check them on every request, cache hits included.
 *
 * A JWT is valid until its `exp`, so nothing but such a list can end it earlier. An entry is kept until all tokens that it
 * revokes have certainly expired.
 */

import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'

/** A revocation. For a token it contains the hash, never the text. */
export type RevocationEntry =
  | { readonly tokenHash: string; readonly expiresAt?: Seconds | undefined }
  | RevokedName

/** A revocation by token id (`jti`), session (`sid`) or subject (`sub`). */
export type RevokedName =
  | {
      readonly tokenId: string
      readonly issuer?: string | undefined
      readonly expiresAt?: Seconds | undefined
    }
  | {
      /** All tokens of this session are rejected. New sessions of the same subject are not affected. */
      readonly sessionId: string
      readonly issuer?: string | undefined
      readonly expiresAt?: Seconds | undefined
    }
  | {
      readonly subject: string
      /**
       * Tokens with an earlier `iat`, or without one, are rejected. In seconds since the epoch. Default of `gate.revoke`: now
       * plus the `clockTolerance` of the verifier, because the clock of the issuer may be ahead. Default of the store: now plus
       * 30.
       *
       * The default also rejects tokens that the subject gets within the next seconds. Pass the exact time if the subject may
       * sign in again at once.
       */
      readonly issuedBefore?: Seconds | undefined
      readonly issuer?: string | undefined
      readonly expiresAt?: Seconds | undefined
    }

/** All members that an entry may have. */
export interface EntryMembers {
  readonly tokenHash?: string | undefined
  readonly tokenId?: string | undefined
  readonly sessionId?: string | undefined
  readonly subject?: string | undefined
  readonly issuer?: string | undefined
  readonly issuedBefore?: Seconds | undefined
  readonly expiresAt?: Seconds | undefined
}

/**
 * Stores revocations. Gates that share a store reject the tokens that any of them revoked. Implement it on a database or a
 * message bus if several processes must share revocations. `isRevoked` is called on every request, so keep a copy in memory.
 */
export interface RevocationStore {
  /** Stores an entry that the gate has validated. It takes effect at once. If it throws, `gate.revoke` throws. */
  revoke(entry: RevocationEntry): void | PromiseLike<void>
  /**
   * Whether a token is revoked. Called on every request. If it throws or rejects, the answer is 503.
   * @param hash the hash by which the gate revokes the token, or `undefined` while `needsHash` is false
   */
  isRevoked(
    identity: Identity<unknown>,
    hash: string | PromiseLike<string> | undefined,
  ): boolean | PromiseLike<boolean>
  /**
   * Whether `isRevoked` needs the hash now. With any value but `false`, the gate passes the hash. Hashing costs about a
   * microsecond per request.
   */
  readonly needsHash: boolean
  /**
   * Calls a listener after each revocation, also after those of other processes, so that `gate.signal` can end streams. Pass the
   * entry: then `isRevoked` is called only for the streams that it names. Without an entry, `isRevoked` is called for every
   * stream, in slices, within about 100 milliseconds. Default: signals end only when their token expires.
   */
  onRevoked?(listener: (entry?: RevocationEntry) => void): void
  /** Describes the state of the store for operators, as plain data without secrets. Default: `gate.describe` shows nothing. */
  describe?(): object
  /** The number of entries, which `gate.describe` returns. */
  readonly size: number
}
