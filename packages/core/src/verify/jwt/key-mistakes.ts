/** Recognizes why a token has no fitting algorithm, key or signature. */

import { MAX_SHOWN, quoted } from '../../lib/received.ts'
import type { Mistake } from '../../observe/remedies.ts'
import type { Algorithm, VerificationKey } from '../keys/jwk.ts'
import { algorithmMismatch, type KeySetDescription } from '../keys/key-set.ts'

/** Explains an `alg` that is not allowed. */
export function algorithmMistake(alg: unknown, allowed: readonly Algorithm[]): Mistake {
  if (typeof alg !== 'string')
    return { cause: 'The header has no "alg".', fix: 'Send a token that the issuer signed.' }
  if (alg.toLowerCase() === 'none')
    return {
      cause: 'The token is not signed ("alg": "none"), so anyone could have written it.',
      fix: 'Send a token that the issuer signed.',
    }
  const [isShared, wantsShared] = [alg.startsWith('HS'), allowed.every((name) => name.startsWith('HS'))]
  if (isShared && !allowed.some((name) => name.startsWith('HS')))
    return {
      cause:
        'The token is signed with a shared secret (HMAC), and the gate expects a key pair of the issuer. Some issuers do that for ID tokens, or until an API has its own settings.',
      fix: 'Choose RS256 or ES256 for this API at the issuer. If the secret is meant, set "secret".',
    }
  if (!isShared && wantsShared)
    return {
      cause: 'The token is signed with a private key of the issuer, and the gate expects a shared secret.',
      fix: 'Remove "secret", so that the gate fetches the keys of the issuer, or set "jwksUri" or "publicKey".',
    }
  const known = /^(?:RS|PS|ES|HS)(?:256|384|512)$|^EdDSA$|^Ed25519$|^ML-DSA-\d\d$/.test(alg)
  return {
    cause: 'The issuer signs with an algorithm that the gate does not allow.',
    fix: known
      ? `Set algorithms: ['${alg}'] if the issuer signs with it on purpose, or choose ${allowed.join(' or ')} at the issuer.`
      : `Choose ${allowed.join(' or ')} at the issuer.`,
  }
}

/** Explains a token whose key is not in the set. */
export function keyMistake(keySet: KeySetDescription, alg: Algorithm, kid: string | undefined): Mistake {
  const all = [...(keySet.given ?? []), ...keySet.keys]
  if (all.length === 0)
    return {
      cause: 'The key set has no key that can be used.',
      fix: 'Open the URL of the keys: the set needs a public RSA, EC or OKP key with "use": "sig" or without "use". "onJwks" reports why entries are not used.',
    }
  const mismatch = algorithmMismatch(keySet, alg, kid)
  if (mismatch !== undefined)
    return {
      cause: `There is a key for the token, but for another algorithm: ${mismatch}.`,
      fix: `Make the issuer write "alg": "${alg}" into the key, or set algorithms: ['${alg}'].`,
    }
  if (kid === undefined)
    return {
      cause: `The token has no "kid", and no key of the set is for ${alg}.`,
      fix: 'Check that the token comes from this issuer, and that its keys have the right type.',
    }
  return keySet.state === 'given'
    ? {
        cause: `No configured key has the "kid" ${quoted(kid, MAX_SHOWN)} of the token.`,
        fix: 'Configure the key that the issuer signs with now. With "jwksUri" instead of "keys", the gate finds new keys itself.',
      }
    : {
        cause: `The issuer does not publish the key ${quoted(kid, MAX_SHOWN)} that signed the token: it was removed after a rotation, or belongs to another issuer or environment.`,
        fix: 'Get a new token. If new tokens fail as well, compare "kid" with the key set of the issuer, and check that both are of the same environment.',
      }
}

/** The length of signatures in bytes, where the algorithm decides it (RFC 7518 §3.2 and §3.4, RFC 8032 §5.1). */
const SIGNATURE_LENGTHS: Partial<Record<Algorithm, number>> = {
  ES256: 64,
  ES384: 96,
  ES512: 132,
  EdDSA: 64,
  Ed25519: 64,
  HS256: 32,
  HS384: 48,
  HS512: 64,
}

/** Explains a signature that no key made. */
export function signatureMistake(
  keys: readonly VerificationKey[],
  alg: Algorithm,
  signature: string,
): Mistake {
  const bytes = Math.floor((signature.length * 3) / 4)
  const all = keys.map(({ signatureLength }) => signatureLength ?? SIGNATURE_LENGTHS[alg])
  const lengths = [...new Set(all.filter((length) => length !== undefined))]
  if (lengths.length > 0 && !lengths.includes(bytes))
    return bytes < Math.min(...lengths)
      ? {
          cause: `The signature has ${bytes} bytes instead of ${lengths.join(' or ')}: the token was cut off.`,
          fix: 'Copy the whole token again, and check that no field or column limits its length.',
        }
      : {
          cause: `The signature has ${bytes} bytes instead of ${lengths.join(' or ')}: another key made it, or text was added to the token.`,
          fix: 'Check that the token comes from this issuer and environment.',
        }
  if (alg.startsWith('HS'))
    return {
      cause: 'The secret is not the one that the token was signed with, or the token was changed.',
      fix: 'Compare the secrets of both sides. If the secret is given as base64, decode it first: a text is used as its UTF-8 bytes.',
    }
  return {
    cause:
      'The signature does not match: the token was changed after it was signed, or the key has the same "kid" as one of another environment.',
    fix: 'Send the token as the issuer sent it. If it is unchanged, check that the token and the keys are of the same environment.',
  }
}
