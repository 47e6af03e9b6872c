/**
 * Reads the response of an introspection endpoint: what it says about the token, and about the server (RFC 7662 §2.2, §2.3).
 */

import { secondsOf } from '../../lib/clock.ts'
import { getOwn, isNestedTooDeeply, isObject } from '../../lib/json.ts'
import type { Identity } from '../../model/identity.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'
import type { Verdict } from '../../net/circuit-breaker.ts'
import { UnusableAnswer } from '../../net/fetch-json.ts'
import type { ReadClaims } from '../claims/mapping.ts'
import { CLIENT_CLAIMS, type RawClaims } from '../claims/values.ts'
import { checkIntrospected } from '../jwt/claims.ts'
import { MARKS } from '../jwt/token-kind.ts'
import type { Terms } from '../shared-answers.ts'
import { activeUntil, inactive, isInactive, type Verification } from '../verification.ts'

/** The rules for a response, and how it becomes an identity. */
export interface ResponsePolicy<Claims> {
  readonly issuer: string | undefined
  /** One of these must be in `aud`. `null` disables the check. */
  readonly audience: readonly string[] | null
  readonly clockTolerance: Seconds
  readonly read: ReadClaims<Claims>
  /** The clock, in milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Turns the response for a token into the result of its verification.
 * @throws UnavailableError if it is no introspection response
 */
export async function readResponse<Claims>(
  response: RawClaims,
  token: string,
  policy: ResponsePolicy<Claims>,
): Promise<Verification<Identity<Claims>>> {
  const active = getOwn(response, 'active')
  if (active === undefined)
    throw new UnavailableError('The introspection response has no "active" (RFC 7662 §2.2)')
  if (active === false) return inactive('unknown_token')
  if (active !== true) return inactive('unknown_token', '"active" is neither true nor false')
  if (isNestedTooDeeply(response))
    throw new UnavailableError('The introspection response is nested deeper than 32 levels')
  const { audience, clockTolerance, now } = policy
  const claims = withoutUnset(response, audience)
  const rejection = checkIntrospected(claims, policy, secondsOf(now))
  if (rejection !== undefined) return rejection
  const identity = await policy.read(withoutToken(claims, token), response)
  if (isInactive(identity)) return identity
  const expiresAt = identity.expiresAt === undefined ? undefined : identity.expiresAt + clockTolerance
  return activeUntil({ active: true, identity, expiresAt }, now)
}

/**
 * The optional members that can reject a token or become part of an identity. Some servers write an empty string or array
 * for a member without a value.
 *
 * Not among them: scopes, because an empty list grants nothing; `cnf`, because a token must not lose its binding (RFC 7800
 * §3.1); and members of the application, for which an empty value may have a meaning.
 */
const OPTIONAL: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'exp', 'nbf', 'iat', 'jti', ...CLIENT_CLAIMS],
  ...['token_type', 'typ', 'token_use', 'acr', 'auth_time', 'act'],
  ...MARKS.flat(),
])

/**
 * Removes the members without a value: `null` always, and empty ones if they are optional. `aud` is optional without an
 * audience.
 */
function withoutUnset(response: RawClaims, audience: readonly string[] | null): RawClaims {
  const isOptional = (name: string) => OPTIONAL.has(name) || (name === 'aud' && audience === null)
  const isUnset = ([name, value]: readonly [string, unknown]) =>
    value === null || (isEmpty(value) && isOptional(name))
  return Object.fromEntries(Object.entries(response).filter((member) => !isUnset(member)))
}

function isEmpty(value: unknown): boolean {
  return value === '' || (Array.isArray(value) && value.length === 0)
}

/** A shorter token may be part of a claim by chance. */
const MIN_ECHO = 8
/** A shorter part of a JWT may be part of a claim by chance. */
const MIN_SEGMENT = 16
/** Members that stay if they only contain the token: an application may store data under `sub`, and `exp` ends the token. */
const KEPT: readonly string[] = ['sub', 'exp']

/**
 * Removes the members that show the token, or a part of it if it is a JWT. Some servers repeat it in their response, and an
 * identity must be safe to log. `cnf` becomes an empty object, because a token must not lose its binding (RFC 7800 §3.1).
 */
function withoutToken(claims: RawClaims, token: string): RawClaims {
  const shows = showing(token)
  const members = Object.entries(claims).flatMap(([name, value]): (readonly [string, unknown])[] => {
    const isKept = value !== token && (KEPT.includes(name) || token.length < MIN_ECHO)
    if (value !== token && (isKept || !shows([name, value]))) return [[name, value]]
    return name === 'cnf' ? [[name, {}]] : []
  })
  return Object.fromEntries(members)
}

/** The members that decide about a token, or what it may do. */
const DECIDING: readonly string[] = [...OPTIONAL, 'aud', 'cnf', 'scope', 'scp', 'permissions']

/**
 * Returns the part of a response that other processes may read: without the token. `undefined` if a member that decides shows the
 * token, because they would decide without it. `undefined` also if the response is nested too deeply for that check.
 */
export function shareable(response: RawClaims, token: string): RawClaims | undefined {
  if (isNestedTooDeeply(response)) return undefined
  const shared = withoutToken(response, token)
  if (DECIDING.some((name) => getOwn(shared, name) !== getOwn(response, name))) return undefined
  return token.length >= MIN_ECHO && showing(token)(shared) ? undefined : shared
}

/** Returns a function that says whether a value shows a token, or a part of it if it is a JWT. */
function showing(token: string): (value: unknown) => boolean {
  const segments = isJwtLike(token) ? token.split('.').filter(({ length }) => length >= MIN_SEGMENT) : []
  const echoes = [token, JSON.stringify(token).slice(1, -1), ...segments]
  return (value) => {
    const text = JSON.stringify(value)
    const decoded = percentDecoded(text)
    return echoes.some((echo) => text.includes(echo) || decoded.includes(echo))
  }
}

/** Whether a token begins like a JWT or a JWE: with the base64url of an opening brace, and a quote or white space. */
function isJwtLike(token: string): boolean {
  return /^e[wy][\w-]*\.[\w-]*\./.test(token)
}

/** Decodes the percent-encoding of ASCII characters (RFC 3986 §2.1), which tokens consist of. */
function percentDecoded(text: string): string {
  return text.replace(/%([0-7][\da-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** The statuses for wrong credentials of this API (RFC 7662 §2.3, RFC 6749 §5.2). */
export const UNAUTHORIZED: readonly unknown[] = [401, 403]
/** The error codes that blame this API, and not the token (RFC 6749 §5.2). */
const CLIENT_ERRORS: readonly unknown[] = ['invalid_client', 'unauthorized_client']

/**
 * Reads a response whose status is in `inactiveStatus`. Returns `undefined` if it means that the token is inactive. Otherwise
 * returns the status of the failure.
 *
 * An error code that blames the credentials of this API is a failure with any status: RFC 6749 §5.2 allows 400 and 401 for
 * it. A 401 or 403 means that the token is inactive only if the body has `"active": false`, or another error code.
 */
export function failureStatus(status: number, body: RawClaims): number | undefined {
  const error = getOwn(body, 'error')
  if (CLIENT_ERRORS.includes(error)) return 401
  const isAboutToken = isErrorCode(error) || getOwn(body, 'active') === false
  return UNAUTHORIZED.includes(status) && !isAboutToken ? status : undefined
}

/**
 * Whether a text is an error code such as `invalid_token`. Frameworks put other texts into `error` if the credentials of this
 * API are wrong, such as "Unauthorized".
 */
function isErrorCode(error: unknown): boolean {
  return typeof error === 'string' && /^[a-z]+(?:_[a-z]+)+$/.test(error)
}

/** Returns how long a response may be shared. An `exp` that is no date rejects the token, so it says nothing about that. */
export function termsOf(response: RawClaims): Terms {
  const exp = getOwn(response, 'exp')
  return { active: isActive(response), expiresAt: isNumericDate(exp) ? exp : undefined }
}

/** Whether a response says that a token is active. */
export function isActive(response: unknown): boolean {
  return isObject(response) && getOwn(response, 'active') === true
}

/** Returns the status of the response that caused a failure. */
export function statusOf(cause: unknown): number | undefined {
  return cause instanceof UnusableAnswer ? cause.status : undefined
}

/** Whether the server rejected the credentials of this API. */
export function isUnauthorized(cause: unknown): boolean {
  return UNAUTHORIZED.includes(statusOf(cause))
}

/** Whether the endpoint may have moved: there is no server, or it does not know the path. The metadata names the new one. */
export function mayHaveMoved(cause: unknown): boolean {
  const status = statusOf(cause)
  return status === undefined || status === 404 || status === 410
}

/**
 * Whether a 4xx was caused by one token, which proves that the server is up. 401 is about this API, 408 and 429 about the
 * server.
 */
export function verdictOf(cause: unknown): Verdict {
  const status = statusOf(cause)
  if (status !== undefined && status >= 400 && status < 500 && ![401, 408, 429].includes(status)) return 'up'
  // Every failure of the server is an UnavailableError. Other errors come from the function that authenticates this API.
  return cause instanceof UnavailableError ? 'down' : 'unclear'
}

/** Known tokens are introspected in spite of a 429: only requests for unknown ones are slowed down. */
export function verdictOfKnown(cause: unknown): Verdict {
  return statusOf(cause) === 429 ? 'limited' : verdictOf(cause)
}
