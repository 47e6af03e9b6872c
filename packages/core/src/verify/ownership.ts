/** Finds two verifiers for the JWTs of one issuer when a chain is created. */

import { base64url } from 'jose'
import { ignoreRejection } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import { PresentedToken } from './presented.ts'
import type { TokenVerifier } from './verifier.ts'

type Member = TokenVerifier<Identity<unknown>>

/**
 * Returns the first issuer whose JWTs two verifiers recognize as their own, or `undefined`. Each verifier gets an unsigned
 * token of the issuer, and its `canVerify` says whether the token is its own. The list `issuers` is not enough, because the
 * `canVerify` of a wrapper may accept only a part of these tokens.
 */
export function claimedTwice(members: readonly Member[]): string | undefined {
  const issuers = members.flatMap((member) => [...new Set(member.issuers ?? [])])
  return issuers.find((issuer) => {
    const probe = `${segment({ alg: 'none' })}.${segment({ iss: issuer })}.AA`
    const owners = members.filter((member) => member.issuers?.includes(issuer) && isOwner(member, probe))
    return owners.length > 1
  })
}

/**
 * Whether a verifier recognizes a token as its own, and says so synchronously. No client sent this token, so failures are
 * ignored.
 */
function isOwner(member: Member, token: string): boolean {
  try {
    const answer = member.canVerify?.(token, new PresentedToken(token))
    ignoreRejection(answer)
    return answer === true
  } catch {
    return false
  }
}

/** Encodes one part of a JWT. */
function segment(content: object): string {
  return base64url.encode(JSON.stringify(content))
}
