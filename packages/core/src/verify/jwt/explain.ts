/** Explains a JWT: makes the checks of the verifier one by one, with what each compared. */

import { getOwn } from '../../lib/json.ts'
import { MAX_SHOWN, quoted } from '../../lib/received.ts'
import type { Identity } from '../../model/identity.ts'
import type { Seconds } from '../../model/units.ts'
import { type Check, checkOf, skipped, unavailable, type VerifierExplanation } from '../../observe/explain.ts'
import type { Mistake } from '../../observe/remedies.ts'
import { jwtTextMistake } from '../../observe/text-mistakes.ts'
import type { ReadClaims } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import type { Algorithm, VerificationKey } from '../keys/jwk.ts'
import type { KeySet } from '../keys/key-set.ts'
import type { PresentedToken } from '../presented.ts'
import { type Inactive, inactive, isInactive } from '../verification.ts'
import type { ClaimsPolicy } from './claims.ts'
import { keyNames } from './details.ts'
import { claimChecks } from './explain-claims.ts'
import { type CompactJws, type DecodedJws, parseJws, signedText } from './jws.ts'
import { algorithmMistake, keyMistake, signatureMistake } from './key-mistakes.ts'
import { findSigningKey } from './signing-key.ts'

/** The parts of a verifier that its checks use. */
export interface JwtParts<Claims> {
  readonly policy: ClaimsPolicy
  readonly algorithms: readonly Algorithm[]
  readonly keys: KeySet
  readonly read: ReadClaims<Claims>
  /** In seconds since the epoch. */
  readonly now: Seconds
}

/**
 * Makes every check that can be made, also after one has failed. The claims are mapped only if the signature is valid, because
 * functions of the application never receive claims that the issuer did not sign. Caches nothing.
 */
export async function explainJwt<Claims>(
  parts: JwtParts<Claims>,
  presented: PresentedToken,
): Promise<VerifierExplanation<Identity<Claims>>> {
  const decoded = presented.jws
  const unreadable = isInactive(decoded) ? decoded : decoded.claims === undefined ? NO_CLAIMS : undefined
  const format = checkOf('format', unreadable, {
    expected: 'a signed JWT: three parts in base64url, with a dot between them',
    mistake: () =>
      unreadable?.reason === 'encrypted_token' ? undefined : (jwtTextMistake(presented.text) ?? DAMAGED),
  })
  if (isInactive(decoded) || decoded.claims === undefined) return { checks: [format] }
  const { claims } = decoded
  const jws = parseJws(decoded, parts.algorithms)
  const checks = [
    format,
    headerCheck(decoded, jws, parts.algorithms),
    ...claimChecks(decoded, claims, parts.policy, parts.now),
  ]
  if (isInactive(jws)) return { checks: [...checks, skipped('key'), skipped('signature'), skipped('claims')] }
  const { checks: signature, key } = await explainSignature(jws, parts.keys)
  if (key === undefined) return { checks: [...checks, ...signature, skipped('claims')] }
  const mapped = await explainMapping(parts.read, claims)
  const all = [...checks, ...signature, ...mapped.checks]
  const isValid = all.every(({ result }) => result === 'passed')
  return isValid ? { checks: all, identity: mapped.identity } : { checks: all }
}

const NO_CLAIMS = inactive(
  'malformed_token',
  'the payload is not a JSON object in UTF-8, or nested too deeply',
)

const DAMAGED = {
  cause: 'A part of the token cannot be decoded: the text was changed or cut off, or it is no JWT.',
  fix: 'Copy the whole token again. If it is no JWT on purpose, use introspection or opaque.',
}

function headerCheck(
  { header }: DecodedJws,
  jws: ReturnType<typeof parseJws>,
  algorithms: readonly Algorithm[],
): Check {
  const alg = getOwn(header, 'alg')
  const isKnown = typeof alg === 'string' && /^[\w-]{1,10}$/.test(alg)
  const rejection = isInactive(jws) ? jws : undefined
  return checkOf('header', rejection, {
    expected: `alg ${algorithms.join(', ')}`,
    actual: isKnown ? `alg ${alg}` : 'no known alg',
    mistake: () =>
      rejection?.reason === 'algorithm_not_allowed' ? algorithmMistake(alg, algorithms) : undefined,
  })
}

/** Finds the key and checks the signature, as the verifier does for an unknown caller. */
async function explainSignature(
  jws: CompactJws,
  keys: KeySet,
): Promise<{ readonly checks: readonly Check[]; readonly key?: VerificationKey }> {
  const { alg, kid } = jws
  const values = () => ({
    expected: keyNames(keys.describe()),
    actual: kid === undefined ? 'no kid' : `kid ${quoted(kid, MAX_SHOWN)}`,
  })
  try {
    const { key, tried } = await findSigningKey(jws, keys)
    if (tried.length === 0)
      return {
        checks: [
          checkOf(
            'key',
            { reason: 'unknown_key' },
            { ...values(), mistake: () => keyMistake(keys.describe(), alg, kid) },
          ),
          skipped('signature'),
        ],
      }
    const rejection = key === undefined ? ({ reason: 'invalid_signature' } as const) : undefined
    const mistake = () => signatureMistake(tried, alg, jws.text.slice(signedText(jws.text).length + 1))
    const checks = [
      checkOf('key', undefined, values()),
      checkOf('signature', rejection, { expected: `a signature by ${alg}`, mistake }),
    ]
    return key === undefined ? { checks } : { checks, key }
  } catch (cause) {
    return { checks: [unavailable('key', cause, values()), skipped('signature')] }
  }
}

async function explainMapping<Claims>(
  read: ReadClaims<Claims>,
  claims: RawClaims,
): Promise<{ readonly checks: readonly Check[]; readonly identity?: Identity<Claims> }> {
  try {
    const identity = await read(claims)
    if (isInactive(identity)) {
      const mistake = () => claimMistake(identity)
      return { checks: [checkOf('claims', identity, { expected: CLAIMS, mistake })] }
    }
    return { checks: [checkOf('claims', undefined)], identity }
  } catch (cause) {
    return { checks: [unavailable('claims', cause)] }
  }
}

const CLAIMS = 'what "requiredClaims", the schema in "claims", or the preset require'

/** The detail of a rejection is the name of the claim. */
function claimMistake({ reason, detail }: Inactive): Mistake | undefined {
  if (detail === undefined || !/^[\w.:/-]{1,64}$/.test(detail)) return undefined
  return {
    cause: `The claim "${detail}" ${reason === 'missing_claim' ? 'is missing' : 'has a value that is not allowed'}.`,
    fix: 'Correct the claim at the issuer, or the option or preset that requires another value.',
  }
}
