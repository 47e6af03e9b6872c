/** Explains what a gate would decide about a token or a request, check by check, without deciding anything. */

import { authorize } from '../authorize/requirement.ts'
import { raceAbort } from '../lib/abort.ts'
import { timeout } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { received } from '../lib/received.ts'
import type { Credentials } from '../model/credentials.ts'
import { foundIn, type Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import { MistakeError, UnavailableError } from '../model/unavailable.ts'
import {
  type Check,
  checkOf,
  type Explanation,
  explanationOf,
  skipped,
  unavailable,
  type VerifierExplanation,
} from '../observe/explain.ts'
import { jwtTextMistake } from '../observe/text-mistakes.ts'
import { prove } from '../prove/prove.ts'
import type { RequestLike } from '../request/request.ts'
import { explainBy } from '../verify/explain.ts'
import { otherEncoding, PresentedToken } from '../verify/presented.ts'
import { REVOKED, UNKNOWN_USER } from './admission.ts'
import { explainCredentials } from './explain-credentials.ts'
import type { GateParts } from './parts.ts'

/** The function behind `gate.explain`. */
export type Explain = typeof explain

/** The checks that need an identity. */
const LATER = ['proof', 'revocation', 'requirement', 'user'] as const

/**
 * Explains a token, or the token of a request.
 * @throws TypeError if the argument is neither
 */
export async function explain<V extends Identity<unknown>>(
  parts: GateParts<V>,
  given: string | Request | RequestLike,
): Promise<Explanation> {
  if (given === undefined || given === null || given === '')
    throw configurationError(
      'INVALID_ARGUMENT',
      `"explain" needs a token or a request, such as gate.explain(token), but received ${received(given)}`,
    )
  const { checks, found, request } = await explainCredentials(parts, given)
  return explanationOf(
    found === undefined ? checks : [...checks, ...(await explainToken(parts, found, request))],
  )
}

const OTHER_ENCODING = {
  cause:
    'The token is a JWT in another encoding than base64url without padding: some code decoded and encoded it again, or cut it off.',
  fix: 'Send the token as the token endpoint returned it (RFC 7515 §2).',
}

async function explainToken<V extends Identity<unknown>>(
  parts: GateParts<V>,
  { token, source }: Credentials,
  request: RequestLike,
): Promise<readonly Check[]> {
  const presented = new PresentedToken(token)
  const respelled = otherEncoding(presented)
  if (respelled !== undefined)
    return [
      checkOf('format', respelled, {
        mistake: () => jwtTextMistake(token) ?? OTHER_ENCODING,
      }),
    ]
  const { checks, identity, expiresAt } = await explained(parts, presented)
  if (identity === undefined) return [...checks, ...LATER.map(skipped)]
  const isOver = expiresAt !== undefined && parts.context.now() >= expiresAt
  const dates = isOver ? [checkOf('dates', { reason: 'expired' })] : []
  const hash = await presented.revocationHash
  return [
    ...checks,
    ...dates,
    checkOf('proof', prove(identity), { expected: 'a token that is bound to no key' }),
    await attempt(
      parts,
      'revocation',
      async () => ((await parts.revocations.isRevoked(identity, hash)) ? REVOKED : undefined),
      'a token that is not revoked',
    ),
    await requirementCheck(parts, identity, request),
    await userCheck(parts, foundIn(identity, source), request),
  ]
}

async function requirementCheck<V extends Identity<unknown>>(
  { required, context, deadline }: GateParts<V>,
  identity: V,
  request: RequestLike,
): Promise<Check> {
  const check = await attempt({ deadline }, 'requirement', async () =>
    authorize(identity, required, context, request),
  )
  const expected =
    required === undefined ? 'no requirement of the gate' : required.scopes.join(' ') || undefined
  return { ...check, expected, actual: `scopes: ${identity.scopes.join(' ') || 'none'}` }
}

async function userCheck<V extends Identity<unknown>>(
  { users, deadline }: GateParts<V>,
  identity: V,
  request: RequestLike,
): Promise<Check> {
  if (users === undefined)
    return checkOf('user', undefined, { expected: 'no user: the gate has no "loadUser"' })
  const load = async () => ((await users.of(identity, request)) === undefined ? UNKNOWN_USER : undefined)
  return attempt({ deadline }, 'user', load, 'a user that "loadUser" finds')
}

async function attempt(
  parts: Pick<GateParts<never>, 'deadline'>,
  name: (typeof LATER)[number],
  check: () => Promise<Rejection | undefined>,
  expected?: string,
): Promise<Check> {
  try {
    return checkOf(name, await within(parts, check()), { expected })
  } catch (cause) {
    return unavailable(name, cause)
  }
}

/** Waits as long as a request would. A function of the application may never settle. */
async function within<T>({ deadline }: Pick<GateParts<never>, 'deadline'>, work: Promise<T>): Promise<T> {
  const signal = timeout(deadline)
  try {
    return await raceAbort(work, signal)
  } catch (cause) {
    if (!signal.aborted || cause !== signal.reason) throw cause
    throw new UnavailableError(`It did not end within the "deadline" of the gate, ${deadline} s`)
  }
}

/** Lets the verifier explain a token. Its own `explain` may fail, or forget to say why the token is not valid. */
async function explained<V extends Identity<unknown>>(
  parts: GateParts<V>,
  presented: PresentedToken,
): Promise<VerifierExplanation<V>> {
  try {
    const given = await within(parts, explainBy(parts.verifier, presented))
    const isEmpty = given.identity === undefined && given.checks.every(({ result }) => result === 'passed')
    return isEmpty ? { checks: [...given.checks, unavailable('verifier', new MistakeError(EMPTY))] } : given
  } catch (cause) {
    return { checks: [unavailable('verifier', cause)] }
  }
}

const EMPTY = 'The method "explain" of the verifier returned neither an identity nor a check that failed'
