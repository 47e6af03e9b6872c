/** Explains a token that one of several verifiers handles. */

import type { Identity } from '../model/identity.ts'
import { type Check, checkOf, unavailable, type VerifierExplanation } from '../observe/explain.ts'
import type { PresentedToken } from './presented.ts'
import type { Explainers, TokenVerifier } from './verifier.ts'

type Member = TokenVerifier<Identity<unknown>>

/**
 * Explains a token by the verifier that recognizes it as its own, and otherwise by those that may know it, until one does. If
 * none does, lists the checks of all of them.
 */
export async function explainChain(
  members: readonly Member[],
  issuers: readonly string[],
  presented: PresentedToken,
  { by, foreign }: Explainers,
): Promise<VerifierExplanation<Identity<unknown>>> {
  const others: Member[] = []
  for (const member of members) {
    let answer: boolean | undefined
    try {
      answer = await member.canVerify?.(presented.text, presented)
    } catch (cause) {
      return { checks: [unavailable('verifier', cause)] }
    }
    if (answer === true) return chosen(await by(member, presented))
    if (answer === undefined) others.push(member)
  }
  const checks: Check[] = []
  for (const member of others) {
    const explained = await by(member, presented)
    if (explained.identity !== undefined) return chosen(explained)
    checks.push(...explained.checks)
  }
  // The gate would name the issuer: it may hardly differ from a configured one.
  const isForeign = issuers.length > 0 && presented.claims !== undefined
  if (isForeign || others.length === 0) {
    const { checks: named } = foreign(presented, issuers)
    return {
      checks:
        others.length === 0 && !isForeign ? [noVerifier(members, issuers), ...named] : [...named, ...checks],
    }
  }
  return { checks: [...(others.length === 1 ? [] : [noVerifier(members, issuers)]), ...checks] }
}

function chosen<I extends Identity<unknown>>(explained: VerifierExplanation<I>): VerifierExplanation<I> {
  return {
    ...explained,
    checks: [
      checkOf('verifier', undefined, { expected: 'a verifier of the chain that is for this token' }),
      ...explained.checks,
    ],
  }
}

/** Explains a token that none of several verifiers handles. */
function noVerifier(members: readonly Member[], issuers: readonly string[]): Check {
  return checkOf(
    'verifier',
    { reason: 'unknown_token' },
    {
      expected:
        [...issuers.slice(0, 8).map((issuer) => `a token of ${issuer}`), ...prefixesOf(members)].join(
          ', or ',
        ) || undefined,
      mistake: () => ({
        cause: 'None of the verifiers of this gate is for such a token.',
        fix: 'Add a verifier for it to the chain, or send a token of one of the configured issuers.',
      }),
    },
  )
}

function prefixesOf(members: readonly Member[]): readonly string[] {
  return members.flatMap((member) => {
    const { prefix } = (member.describe?.() ?? {}) as { prefix?: unknown }
    return typeof prefix === 'string' ? [`a token that begins with "${prefix}_"`] : []
  })
}
