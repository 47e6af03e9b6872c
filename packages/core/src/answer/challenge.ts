/**
 * Turns a rejection into status, headers and body (RFC 6750 §3, RFC 9110 §11, RFC 9470 §3).
 *
 * Only this file writes `WWW-Authenticate`. Everything in a challenge comes from the configuration. If it contained a value
 * that a client sent, a client could inject parameters or further challenges.
 */

import { isScopeToken } from '../lib/syntax.ts'
import { type Denied, toResponse } from '../model/decision.ts'
import type { Reason, Rejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'

/** The status of each error code (RFC 6750 §3.1, RFC 9470 §3). */
const STATUS = {
  invalid_request: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  insufficient_user_authentication: 401,
} as const

type ErrorCode = keyof typeof STATUS

/**
 * The error code and text for the client, by reason. The text is fixed and never contains what the client sent (RFC 6750
 * §3.1).
 */
const ERROR_BY_REASON: Readonly<Record<Exclude<Reason, 'no_credentials'>, readonly [ErrorCode, string]>> = {
  malformed_credentials: ['invalid_request', 'The credentials are malformed'],
  multiple_credentials: ['invalid_request', 'Credentials were sent more than once'],
  credentials_too_long: ['invalid_request', 'The credentials are too long'],
  insecure_transport: ['invalid_request', 'The access token was sent without TLS'],
  malformed_token: ['invalid_token', 'The access token is malformed'],
  encrypted_token: ['invalid_token', 'Encrypted access tokens are not supported'],
  not_an_access_token: ['invalid_token', 'The token is not an access token'],
  algorithm_not_allowed: ['invalid_token', 'The signature algorithm of the access token is not allowed'],
  unsupported_header: ['invalid_token', 'The access token has a header parameter that is not supported'],
  unknown_key: ['invalid_token', 'The access token was signed with an unknown key'],
  invalid_signature: ['invalid_token', 'The signature of the access token is invalid'],
  unknown_token: ['invalid_token', 'The access token is not valid'],
  revoked: ['invalid_token', 'The access token was revoked'],
  missing_proof: ['invalid_token', 'The access token is bound to a key and cannot be used as a bearer token'],
  issuer_mismatch: ['invalid_token', 'The issuer of the access token is not trusted here'],
  audience_mismatch: ['invalid_token', 'The access token is meant for another audience'],
  expired: ['invalid_token', 'The access token expired'],
  not_yet_valid: ['invalid_token', 'The access token is not valid yet'],
  issued_in_future: ['invalid_token', 'The access token was issued in the future'],
  max_age_exceeded: ['invalid_token', 'The access token is too old'],
  missing_claim: ['invalid_token', 'The access token lacks a required claim'],
  invalid_claim: ['invalid_token', 'The access token has an invalid claim'],
  unknown_user: ['invalid_token', 'The user of the access token is not known'],
  insufficient_scope: ['insufficient_scope', 'The access token does not allow this operation'],
  insufficient_user_authentication: [
    'insufficient_user_authentication',
    'The operation needs a stronger or more recent authentication',
  ],
}

/** The longest `Retry-After`. In seconds. A verifier of the application may ask for more. */
const MAX_RETRY_AFTER = 3600

/** Creates the error responses of one gate. */
export interface Challenger {
  /** Builds the 400, 401 or 403 response for a rejection. */
  refuse(rejection: Rejection): Denied
  /**
   * Builds the 503 response for a token that could not be checked (RFC 9110 §15.6.4). `retryAfter` is rounded up, within 1 s
   * to 1 h.
   */
  unavailable(retryAfter: Seconds): Denied
}

/** The settings of a gate that appear in its challenges. */
export interface ChallengeSettings {
  /** The protection space (RFC 9110 §11.5). */
  readonly realm: string
  /** The scopes that every request needs. Each 401 challenge names them (RFC 6750 §3). */
  readonly scopes: readonly string[]
  /** The URL of the protected resource metadata (RFC 9728 §5.1). */
  readonly metadataUrl: string | undefined
  /** Whether scripts of other origins may read the challenge and `Retry-After`. */
  readonly exposed: boolean
  /** Tells a client without credentials what to send. */
  readonly hint: string
  /** The answer to a valid token without a user. */
  readonly unknownUserStatus: 401 | 403
}

/** Creates the writer of a gate's error responses. Each reason without further parameters is written once and shared. */
export function createChallenger(settings: ChallengeSettings): Challenger {
  const { realm, scopes, metadataUrl, exposed, unknownUserStatus, hint } = settings
  const prepared = new Map<Reason, Denied>()
  /** The last answer 503. During an outage or a flood, the next one is nearly always the same. */
  let outage: Denied | undefined
  const expose = (field: string) => (exposed ? { 'Access-Control-Expose-Headers': field } : {})

  function challenge(parameters: Readonly<Record<string, string | undefined>>): Fields {
    const all = { realm, ...parameters, resource_metadata: metadataUrl }
    const written = Object.entries(all)
      .filter(([name, value]) => name === 'realm' || (value !== undefined && value !== ''))
      .map(([name, value]) => `${name}="${quotable(value ?? '')}"`)
    return { 'WWW-Authenticate': `Bearer ${written.join(', ')}`, ...expose('WWW-Authenticate') }
  }

  function write(rejection: Rejection): Denied {
    const { reason } = rejection
    if (reason === 'no_credentials')
      return answer(401, reason, { error_description: hint }, challenge({ scope: scopeList(scopes) }))
    const [usual, description] = ERROR_BY_REASON[reason]
    const error = reason === 'unknown_user' && unknownUserStatus === 403 ? 'insufficient_scope' : usual
    const body = { error, error_description: lacking(rejection.lacks) ?? description }
    const needed = error === 'invalid_token' ? scopes : (rejection.scopes ?? [])
    const parameters = {
      ...body,
      scope: scopeList(needed),
      acr_values: rejection.acrValues?.join(' '),
      max_age: rejection.maxAge?.toString(),
    }
    return answer(STATUS[error], reason, body, challenge(parameters))
  }

  function writeOutage(seconds: string): Denied {
    const body = {
      error: 'temporarily_unavailable',
      error_description: 'The access token could not be checked, try again later',
    }
    return answer(503, 'unavailable', body, { 'Retry-After': seconds, ...expose('Retry-After') })
  }

  return {
    refuse(rejection) {
      const { scopes: needed, acrValues, maxAge } = rejection
      if (needed !== undefined || acrValues !== undefined || maxAge !== undefined) return write(rejection)
      let refusal = prepared.get(rejection.reason)
      if (refusal === undefined) {
        refusal = write(rejection)
        prepared.set(rejection.reason, refusal)
      }
      return refusal
    },
    unavailable(retryAfter) {
      const seconds = String(Math.min(Math.max(1, Math.ceil(retryAfter)), MAX_RETRY_AFTER) || 1)
      if (outage?.headers['Retry-After'] !== seconds) outage = writeOutage(seconds)
      return outage
    },
  }
}

/** Fields of a denial that belong to the gate, or to the message itself (RFC 9110 §6.6, RFC 9112 §6). */
export function isOwnField(name: string): boolean {
  return OWN_FIELDS.includes(name.toLowerCase())
}

const OWN_FIELDS: readonly string[] = [
  'www-authenticate',
  'retry-after',
  'cache-control',
  'access-control-expose-headers',
  'connection',
  'content-length',
  'transfer-encoding',
]

/** The text for a client whose token lacks a role or a claim, which the error code `insufficient_scope` does not say. */
function lacking(what: unknown): string | undefined {
  if (what === 'role') return 'The access token lacks a role that this operation needs'
  return what === 'claim' ? 'The access token lacks a claim that this operation needs' : undefined
}

type Fields = Readonly<Record<string, string>>

/** Creates a denial with everything that hosts need. It is frozen, because requests share it. */
function answer(
  status: Denied['status'],
  reason: Denied['reason'],
  body: Denied['body'],
  headers: Fields,
): Denied {
  const all = Object.freeze({ ...headers, 'Cache-Control': 'no-store', 'Content-Type': 'application/json' })
  const content = JSON.stringify(Object.freeze(body))
  return Object.freeze({
    ok: false as const,
    status,
    headers: all,
    body,
    content,
    reason,
    toResponse: toResponse(status, all, content),
  })
}

/** Escapes a quoted string (RFC 9110 §5.6.4). Characters outside printable ASCII become `?`. */
function quotable(value: string): string {
  return value.replaceAll(/[^\x20-\x7E]/gu, '?').replaceAll(/["\\]/g, '\\$&')
}

/** The scopes that a challenge may name. `offline_access` concerns only the client and the authorization server. */
export function askedFor(scopes: readonly string[]): readonly string[] {
  return [...new Set(scopes)].filter((scope) => isScopeToken(scope) && scope !== 'offline_access')
}

/** Formats scopes for a challenge: a list with single spaces (RFC 6750 §3). */
function scopeList(scopes: readonly string[]): string {
  return askedFor(scopes).join(' ')
}
