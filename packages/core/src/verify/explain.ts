/** Explains a token by the verifier that handles it. Verifiers that check a token as a whole are explained by their result. */

import { isObject } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { MistakeError } from '../model/unavailable.ts'
import {
  type Check,
  type CheckName,
  checkOf,
  unavailable,
  type VerifierExplanation,
} from '../observe/explain.ts'
import type { Mistake } from '../observe/remedies.ts'
import { looksLikeJwt, textMistake } from '../observe/text-mistakes.ts'
import { explainChain } from './explain-chain.ts'
import { explainJwt } from './jwt/explain.ts'
import { explainForeign } from './jwt/explain-issuer.ts'
import type { PresentedToken } from './presented.ts'
import type { Inactive } from './verification.ts'
import type { Explainers, TokenVerifier } from './verifier.ts'

/** The functions for verifiers that explain their tokens themselves. */
const EXPLAINERS: Explainers = {
  by: explainBy,
  jwt: explainJwt,
  chain: (members, issuers, presented) => explainChain(members, issuers, presented, EXPLAINERS),
  foreign: explainForeign,
  prefix: wrongPrefix,
}

/** Explains a token by the verifier itself if it can, and otherwise by its result. Never rejects. */
export async function explainBy<I extends Identity<unknown>>(
  verifier: TokenVerifier<I>,
  presented: PresentedToken,
): Promise<VerifierExplanation<I>> {
  const { kind = 'own' } = described(verifier)
  const { name, expected } = KINDS[kind] ?? OWN
  try {
    if (verifier.explain !== undefined)
      return checkedExplanation(await verifier.explain(presented, EXPLAINERS))
    const verification = await verifier.verify(presented.text, presented)
    if (verification.active) {
      const { identity, expiresAt } = verification
      return { checks: [checkOf(name, undefined, { expected })], identity, expiresAt }
    }
    return {
      checks: [
        checkOf(name, verification, { expected, mistake: () => mistakeOf(kind, verification, presented) }),
      ],
    }
  } catch (cause) {
    return { checks: [unavailable(name, cause, { expected })] }
  }
}

/** Explains a token that has the wrong beginning for its verifier. */
function wrongPrefix(prefix: string): Check {
  return checkOf(
    'lookup',
    { reason: 'unknown_token' },
    {
      expected: `a token that begins with "${prefix}_"`,
      mistake: () => ({
        cause: 'The token does not begin with the "prefix" of this verifier, so it is none of its tokens.',
        fix: 'Send a token that generateToken() created with this prefix, or correct "prefix".',
      }),
    },
  )
}

interface Kind {
  readonly name: CheckName
  readonly expected: string
}

const OWN: Kind = { name: 'verifier', expected: 'a token that the verifier of the application knows' }

/** By `kind` of the description. */
const KINDS: Readonly<Record<string, Kind>> = {
  introspection: { name: 'introspection', expected: 'active at the authorization server' },
  opaque: { name: 'lookup', expected: 'a token that "lookup" finds' },
  static: { name: 'lookup', expected: 'one of the configured tokens' },
}

function described(verifier: Pick<TokenVerifier, 'describe'>): { readonly kind?: string } {
  try {
    return (verifier.describe?.() ?? {}) as { kind?: string }
  } catch {
    return {}
  }
}

function mistakeOf(kind: string, { reason }: Inactive, { text }: PresentedToken): Mistake | undefined {
  if (reason !== 'unknown_token') return undefined
  const damaged = textMistake(text)
  if (damaged !== undefined) return damaged
  if (kind === 'introspection')
    return {
      cause:
        'The authorization server says that the token is not active: it expired, was revoked, or another server or realm issued it.',
      fix: 'Get a new token. If new tokens are inactive too, check that "endpoint" or "issuer" is the server that issues them, and that this client may introspect them.',
    }
  if ((kind === 'opaque' || kind === 'static') && looksLikeJwt(text))
    return {
      cause: 'The token is a JWT, and this gate looks for tokens in a list or a store.',
      fix: 'Verify JWTs with jwt({ issuer, audience }), or both kinds with chain(jwt(…), opaque(…)).',
    }
  return undefined
}

/** @throws MistakeError if the method `explain` of an application returned something else than checks */
function checkedExplanation<I extends Identity<unknown>>(
  given: VerifierExplanation<I>,
): VerifierExplanation<I> {
  const { checks } = Object(given) as Partial<VerifierExplanation<I>>
  const isValid =
    Array.isArray(checks) && checks.every((check) => isObject(check) && typeof check.result === 'string')
  if (isValid) return given
  throw new MistakeError('The method "explain" of the verifier must return an object with "checks"')
}
