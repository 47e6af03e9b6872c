/** Explains a token that several issuers might have issued. */

import { MAX_SHOWN, quoted, quotedList } from '../../lib/received.ts'
import { checkOf, type VerifierExplanation } from '../../observe/explain.ts'
import { jwtTextMistake } from '../../observe/text-mistakes.ts'
import type { PresentedToken } from '../presented.ts'
import { isInactive } from '../verification.ts'
import { issuerMistake } from './issuer-mistake.ts'

/** Explains a token that is no JWT, or comes from an issuer that is not configured. */
export function explainForeign(
  presented: PresentedToken,
  issuers: readonly string[],
): VerifierExplanation<never> {
  const { jws, unverifiedIssuer: iss } = presented
  if (isInactive(jws))
    return {
      checks: [
        checkOf('format', jws, {
          expected: 'a signed JWT',
          mistake: () => (jws.reason === 'encrypted_token' ? undefined : jwtTextMistake(presented.text)),
        }),
      ],
    }
  const facts = {
    expected: quotedList(issuers) || 'an issuer that the function knows',
    actual: iss === undefined ? 'none' : quoted(iss, MAX_SHOWN),
    mistake: () => issuerMistake(iss, issuers),
  }
  return { checks: [checkOf('format', undefined), checkOf('issuer', { reason: 'issuer_mismatch' }, facts)] }
}
