/** Explains the first checks of a gate: whether a request has a token, and whether it may carry one. */

import type { Credentials } from '../model/credentials.ts'
import type { Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { type Check, checkOf, unavailable } from '../observe/explain.ts'
import type { Mistake } from '../observe/remedies.ts'
import { textMistake } from '../observe/text-mistakes.ts'
import type { RequestLike } from '../request/request.ts'
import { toRequestLike } from '../request/to-request-like.ts'
import { credentialsMistake } from './credentials-mistake.ts'
import type { GateParts } from './parts.ts'

interface ExplainedCredentials {
  readonly checks: readonly Check[]
  /** `undefined` if the request has no usable token. */
  readonly found?: Credentials | undefined
  readonly request: RequestLike
}

/**
 * Explains a token, or the token of a request.
 * @throws TypeError if the argument is neither
 */
export async function explainCredentials<V extends Identity<unknown>>(
  parts: GateParts<V>,
  given: string | Request | RequestLike,
): Promise<ExplainedCredentials> {
  const isText = typeof given === 'string'
  const request = isText ? carrierOf(given) : toRequestLike(given)
  try {
    const found = isText ? parts.tokens.read(given) : await parts.tokens.search(request)
    if (isRejection(found))
      return { checks: [isText ? badText(given, found) : withoutToken(parts, request, found)], request }
    const actual = `a token of ${found.token.length} characters`
    const credentials = checkOf('credentials', undefined, { expected: CREDENTIALS, actual })
    const transport = isText ? [] : [transportCheck(() => parts.tokens.checkTransport(request))]
    return { checks: [credentials, ...transport], found, request }
  } catch (cause) {
    return { checks: [unavailable('credentials', cause)], request }
  }
}

const CREDENTIALS = 'one token, in one place where the gate looks'

function badText(text: string, rejection: Rejection): Check {
  return checkOf('credentials', rejection, { expected: CREDENTIALS, mistake: () => textMistake(text) })
}

/** Explains a request without a usable token, which the gate may allow or answer as a preflight. */
function withoutToken<V extends Identity<unknown>>(
  parts: GateParts<V>,
  request: RequestLike,
  rejection: Rejection,
): Check {
  const outcome = parts.tokens.withoutToken(request, rejection)
  if (isRejection(outcome)) {
    const mistake = () => mistakeIn(request, rejection, parts)
    return checkOf('credentials', rejection, { expected: CREDENTIALS, mistake })
  }
  const actual =
    'status' in outcome
      ? 'no token: a CORS preflight'
      : 'no token: an anonymous request, which "optional" allows'
  return checkOf('credentials', undefined, { expected: CREDENTIALS, actual })
}

/** A request with this token, for a requirement and a `loadUser` that read the request. */
function carrierOf(token: string): RequestLike {
  return { header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) }
}

function transportCheck(check: () => Rejection | undefined): Check {
  try {
    return checkOf('transport', check())
  } catch (cause) {
    return unavailable('transport', cause)
  }
}

function mistakeIn<V extends Identity<unknown>>(
  request: RequestLike,
  found: Rejection,
  { tokens }: GateParts<V>,
): Mistake | undefined {
  try {
    return credentialsMistake(request, found, tokens)
  } catch {
    return undefined // A getter of the request threw.
  }
}
