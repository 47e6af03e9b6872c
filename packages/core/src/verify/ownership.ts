/** Which verifier of a chain a token belongs to. */

import { base64url } from 'jose'
import { ignoreRejection, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { PresentedToken } from './presented.ts'
import type { CanVerify, TokenVerifier } from './verifier.ts'

type Member = TokenVerifier<Identity<unknown>>

/**
 * Asks a verifier whether it handles a token.
 * @throws UnavailableError if it returns neither `true`, `false` nor `undefined`
 */
export function ownership(member: Member, presented: PresentedToken): CanVerify | Promise<CanVerify> {
  return mapMaybe(member.canVerify?.(presented.text, presented), (answer: unknown) => {
    if (answer === undefined || typeof answer === 'boolean') return answer
    throw new UnavailableError('"canVerify" returned neither true, false nor undefined')
  })
}

/** Returns the first issuer whose JWTs two verifiers claim. */
export function claimedTwice(members: readonly Member[]): string | undefined {
  const issuers = members.flatMap((member) => [...new Set(member.issuers ?? [])])
  return issuers.find((issuer) => {
    const probe = `${segment({ alg: 'none' })}.${segment({ iss: issuer })}.AA`
    const owners = members.filter((member) => member.issuers?.includes(issuer) && isOwner(member, probe))
    return owners.length > 1
  })
}

/** Whether a verifier claims a token at once. Nobody sent this token, so errors and promises are ignored. */
function isOwner(member: Member, token: string): boolean {
  try {
    const answer = ownership(member, new PresentedToken(token))
    ignoreRejection(answer)
    return answer === true
  } catch {
    return false
  }
}

function segment(content: object): string {
  return base64url.encode(JSON.stringify(content))
}
