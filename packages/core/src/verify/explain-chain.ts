/** Explains a token that one of several verifiers handles. */

import type { Identity } from '../model/identity.ts'
import { type Check, checkOf, unavailable, type VerifierExplanation } from '../observe/explain.ts'
import { explainBy, noVerifier } from './explain.ts'
import type { PresentedToken } from './presented.ts'
import type { TokenVerifier } from './verifier.ts'

type Member = TokenVerifier<Identity<unknown>>

/**
 * Explains a token by the verifier that recognizes it as its own, and otherwise by those that may know it, until one does. If
 * none does, lists the checks of all of them.
 */
export async function explainChain(
  members: readonly Member[],
  issuers: readonly string[],
  presented: PresentedToken,
): Promise<VerifierExplanation<Identity<unknown>>> {
  const others: Member[] = []
  for (const member of members) {
    let answer: boolean | undefined
    try {
      answer = await member.canVerify?.(presented.text, presented)
    } catch (cause) {
      return { checks: [unavailable('verifier', cause)] }
    }
    if (answer === true) return chosen(await explainBy(member, presented))
    if (answer === undefined) others.push(member)
  }
  const checks: Check[] = []
  for (const member of others) {
    const explained = await explainBy(member, presented)
    if (explained.identity !== undefined) return chosen(explained)
    checks.push(...explained.checks)
  }
  return { checks: [...(others.length === 1 ? [] : [noVerifier(issuers, 'unknown_token')]), ...checks] }
}

function chosen<I extends Identity<unknown>>(explained: VerifierExplanation<I>): VerifierExplanation<I> {
  return { ...explained, checks: [checkOf('verifier', undefined), ...explained.checks] }
}
