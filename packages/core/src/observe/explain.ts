/**
 * Defines the explanation of a token: the result of each check of the gate, and how to correct a failure.
 *
 * An explanation is for operators. It shows values of claims and of the configuration, so it must never be sent to a client of
 * the API. It contains neither the token nor a part of its text.
 */

import type { Identity } from '../model/identity.ts'
import type { Reason, Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { programmingError } from './mistakes.ts'
import { type Mistake, REMEDIES } from './remedies.ts'

/**
 * The checks of a gate, in the order in which an explanation lists them:
 *
 * - of the request: `credentials` (exactly one token, with the right syntax) and `transport`
 * - of the verifier: `verifier` (which of several, or one of the application), `format`, `header`, `type`, `required`, `form`,
 *   `issuer`, `audience`, `dates`, `key`, `signature` and `claims` for JWTs, `introspection`, and `lookup`
 * - of the identity: `proof`, `revocation`, `requirement` and `user`
 */
export type CheckName =
  | 'credentials'
  | 'transport'
  | 'verifier'
  | 'format'
  | 'header'
  | 'type'
  | 'required'
  | 'form'
  | 'issuer'
  | 'audience'
  | 'dates'
  | 'key'
  | 'signature'
  | 'claims'
  | 'introspection'
  | 'lookup'
  | 'proof'
  | 'revocation'
  | 'requirement'
  | 'user'

/** One check of the gate, and its result. */
export interface Check {
  readonly name: CheckName
  /**
   * - `passed`, `failed`: the result for a request with this token.
   * - `unavailable`: the check could not be made, so the answer would be 503.
   * - `skipped`: it needs the result of an earlier check that failed.
   */
  readonly result: 'passed' | 'failed' | 'unavailable' | 'skipped'
  /** The values that the configuration allows. */
  readonly expected?: string | undefined
  /** The value of the token or the request. */
  readonly actual?: string | undefined
  /** The reason that `onDecision` would report. */
  readonly reason?: Reason | undefined
  /** The mistake, in a sentence. */
  readonly cause?: string | undefined
  /** The correction: of an option, of a setting of the issuer, or of the client. */
  readonly fix?: string | undefined
  /** The section that defines the check, such as `RFC 7519 §4.1.3`. */
  readonly rfc: string
}

/** The checks of a gate for one token, with their results. */
export interface Explanation {
  /** Whether the gate would allow a request with this token. */
  readonly ok: boolean
  readonly checks: readonly Check[]
  /** The first check that failed or could not be made: the reason why the gate does not allow the request. */
  readonly failed: Check | undefined
}

/** The checks of a verifier, and the identity if the token is valid. */
export interface VerifierExplanation<I extends Identity<unknown> = Identity> {
  readonly checks: readonly Check[]
  readonly identity?: I | undefined
  /** When the result stops being valid. In seconds since the epoch. */
  readonly expiresAt?: Seconds | undefined
}

/** The values that a check compares, and what to say if they do not match. */
export interface Facts {
  readonly expected?: string | undefined
  readonly actual?: string | undefined
  /** Called only if the check failed. `undefined` if nothing is known beyond the detail of the rejection. */
  readonly mistake?: (() => Mistake | undefined) | undefined
}

/** The section that defines each check. */
const SECTIONS: Readonly<Record<CheckName, string>> = {
  credentials: 'RFC 6750 §2',
  transport: 'RFC 6750 §5.3',
  verifier: 'RFC 8725 §3.8',
  format: 'RFC 7515 §7.1',
  header: 'RFC 7515 §4.1, RFC 8725 §3.1',
  type: 'RFC 8725 §3.11, RFC 9068 §4',
  required: 'RFC 7519 §4.1, RFC 9068 §2.2',
  form: 'RFC 7519 §2',
  issuer: 'RFC 7519 §4.1.1, RFC 8725 §3.8',
  audience: 'RFC 7519 §4.1.3, RFC 8725 §3.9',
  dates: 'RFC 7519 §4.1.4 to §4.1.6',
  key: 'RFC 7517 §4.5',
  signature: 'RFC 7515 §5.2',
  claims: 'RFC 9068 §2.2',
  introspection: 'RFC 7662 §2.2',
  lookup: 'RFC 6750 §3.1',
  proof: 'RFC 9449 §7.2, RFC 8705 §3',
  revocation: 'RFC 6750 §3.1',
  requirement: 'RFC 6750 §3.1, RFC 9470 §3',
  user: 'RFC 6750 §3.1',
}

/** Creates a check that passed, or failed with a rejection. */
export function checkOf(
  name: CheckName,
  rejection: Rejection | undefined,
  { mistake, ...values }: Facts = {},
): Check {
  const rfc = SECTIONS[name]
  if (rejection === undefined) return { name, result: 'passed', ...values, rfc }
  const { reason } = rejection
  const found = mistake?.()
  const cause = found?.cause ?? detailOf(rejection) ?? REMEDIES[reason]?.cause ?? reason
  return { name, result: 'failed', ...values, reason, cause, fix: found?.fix ?? REMEDIES[reason]?.fix, rfc }
}

/** Creates a check that needs an earlier one. */
export function skipped(name: CheckName): Check {
  return { name, result: 'skipped', rfc: SECTIONS[name] }
}

/** Creates a check that could not be made. */
export function unavailable(name: CheckName, error: unknown, values: Facts = {}): Check {
  const { expected, actual } = values
  const { cause, fix } = outage(error)
  return { name, result: 'unavailable', expected, actual, cause, fix, rfc: SECTIONS[name] }
}

/** Lists the checks, and finds the first one that does not pass. */
export function explanationOf(checks: readonly Check[]): Explanation {
  const failed = checks.find(({ result }) => result === 'failed' || result === 'unavailable')
  return { ok: failed === undefined, checks, failed }
}

/** Says why a check could not be made. Only messages of this package are shown: others may quote a token. */
function outage(error: unknown): Mistake {
  const messages: string[] = []
  for (let cause = error, depth = 0; depth < 4 && cause instanceof UnavailableError; depth += 1) {
    messages.push(cause.message)
    cause = cause.cause
  }
  const type = programmingError(error)
  return {
    cause:
      messages.length > 0
        ? messages.join(': ')
        : type === undefined
          ? 'a function of the application threw an error'
          : `a function of the application threw ${type}`,
    fix: 'The token may be good. Correct what the message names, or try again later: clients get 503 with Retry-After meanwhile.',
  }
}

function detailOf(rejection: Rejection): string | undefined {
  try {
    return typeof rejection.detail === 'string' ? rejection.detail : undefined
  } catch {
    return undefined // The detail may be a getter of the application.
  }
}
