/** Holds the token of one request, with the values that verifiers compute from it, each at most once (RFC 7515 §3). */

import { sha256 } from '#digest'
import { getOwn } from '../lib/json.ts'
import { mapMaybe } from '../lib/promise.ts'
import type { Seconds } from '../model/units.ts'
import { type DecodedJws, decodeJws, isRespelled, signedText } from './jwt/jws.ts'
import { type Inactive, inactive, isInactive } from './verification.ts'

/** Whether the result of a verification came from a cache. */
export interface CacheUse {
  isHit: boolean
}

/**
 * Lets several verifiers share the hash and the decoded parts of a token. Each value is computed when it is first read: a
 * cached token needs only its hash, and an opaque one is never decoded.
 */
export class PresentedToken {
  /** The token itself. Never log it. */
  readonly text: string
  /** Tells `onDecision` if a cache had the result. */
  cacheUse: CacheUse | undefined
  /** How old the result is, if a verifier got it from a store. In seconds. A cache keeps it for a time that is so much shorter. */
  age: Seconds = 0
  #hash: string | Promise<string> | undefined
  #jws: DecodedJws | Inactive | undefined
  #isJwt: boolean | undefined

  /** @param hash the SHA-256 of the text, if it is known already */
  constructor(text: string, hash?: string) {
    this.text = text
    this.#hash = hash
  }

  /** The SHA-256 of the text as base64url. A promise on runtimes without Node's crypto module. */
  get hash(): string | Promise<string> {
    if (this.#hash === undefined) {
      const hash = sha256(this.text)
      this.#hash = hash
      return mapMaybe(hash, (digest) => {
        this.#hash = digest
        return digest
      })
    }
    return this.#hash
  }

  /** The decoded token, or why it is not a signed JWT. All members of a chain share it. */
  get jws(): DecodedJws | Inactive {
    this.#jws ??= decodeJws(this.text)
    return this.#jws
  }

  /** The claims of a signed JWT, verified or not, if its payload can be read. */
  get claims(): Readonly<Record<string, unknown>> | undefined {
    return isInactive(this.jws) ? undefined : this.jws.claims
  }

  /** The `iss` of the token. Nothing has verified it, so use it only to select a verifier. */
  get unverifiedIssuer(): string | undefined {
    const iss = getOwn(this.claims ?? {}, 'iss')
    return typeof iss === 'string' ? iss : undefined
  }

  /**
   * Forgets the decoded token, and decodes it again when it is needed. Call this before waiting: decoded, a token of 8 KB
   * can take 130 KB, and any number of unsigned tokens may wait.
   */
  forgetDecoded(): void {
    // The gate needs `revocationHash` after the wait. This answer spares it decoding the token for that.
    if (this.#jws !== undefined) this.#isJwt ??= isJwt(this.#jws)
    this.#jws = undefined
  }

  /**
   * The hash that identifies a revoked token. For a JWT it is that of the signed part, because a token can have several valid
   * signatures.
   */
  get revocationHash(): string | Promise<string> {
    this.#isJwt ??= isJwt(this.jws)
    return this.#isJwt ? sha256(signedText(this.text)) : this.hash
  }
}

const OTHER_ENCODING = inactive(
  'malformed_token',
  'a JWT that is not in base64url, or has padding (RFC 7515 §2)',
)

/**
 * Rejects a token that is a JWT in another encoding than the only accepted one. One that can be decoded is not, and the
 * verifier needs it decoded anyway.
 */
export function otherEncoding(presented: PresentedToken): Inactive | undefined {
  const { text } = presented
  return text.includes('.') && isInactive(presented.jws) && isRespelled(text) ? OTHER_ENCODING : undefined
}

/** Whether a token is a JWT for the purpose of revocation: a compact JWS whose header has an `alg`. */
function isJwt(jws: DecodedJws | Inactive): boolean {
  return !isInactive(jws) && typeof getOwn(jws.header, 'alg') === 'string'
}
