/** Explains the type and the claims of a JWT: makes each check of `claims`, with the values that it compared. */

import { getOwn } from '../../lib/json.ts'
import { MAX_SHOWN, quoted, quotedList } from '../../lib/received.ts'
import type { Seconds } from '../../model/units.ts'
import { type Check, checkOf, skipped } from '../../observe/explain.ts'
import { audienceOf, type RawClaims } from '../claims/values.ts'
import { audienceMistake } from './audience-mistake.ts'
import {
  type ClaimsPolicy,
  checkAudience,
  checkDates,
  checkForm,
  checkIssuer,
  checkRequired,
  requiredNames,
} from './claims.ts'
import { datesMistake } from './dates-mistake.ts'
import { kindDetail } from './details.ts'
import { issuerMistake } from './issuer-mistake.ts'
import type { DecodedJws } from './jws.ts'
import { kindMistake } from './kind-mistake.ts'
import { checkType } from './token-kind.ts'

/** Makes every check of the claims, also after one has failed. */
export function claimChecks(
  { header }: DecodedJws,
  claims: RawClaims,
  policy: ClaimsPolicy,
  now: Seconds,
): readonly Check[] {
  const { issuer, audience, profile, clockTolerance } = policy
  const isStrict = profile === 'rfc9068'
  const iss = getOwn(claims, 'iss')
  const aud = getOwn(claims, 'aud')
  const audiences = audienceOf(aud)
  const misformed = checkForm(claims, profile)
  return [
    checkOf('type', checkType(header, claims, policy), {
      expected: isStrict
        ? 'typ at+jwt'
        : 'typ JWT or at+jwt, or no typ, and no mark of another kind of token',
      actual: Object.hasOwn(header, 'typ') ? kindDetail('typ', header.typ) : 'no typ',
      mistake: () => kindMistake(header, claims, isStrict),
    }),
    checkOf('required', checkRequired(claims, policy), { expected: requiredNames(policy).join(', ') }),
    checkOf('form', misformed, {
      expected: 'dates in seconds since the epoch',
      mistake: () => (DATES.some((name) => isInMilliseconds(claims[name])) ? MILLISECONDS : undefined),
    }),
    checkOf('issuer', checkIssuer(claims, policy), {
      expected: issuer === null ? 'no iss' : quoted(issuer, MAX_SHOWN),
      actual: typeof iss === 'string' ? quoted(iss, MAX_SHOWN) : 'none',
      mistake: () => (issuer === null ? undefined : issuerMistake(iss, [issuer])),
    }),
    checkOf('audience', checkAudience(claims, policy), {
      expected: audience === null ? 'any' : quotedList(audience, MAX_SHOWN),
      actual: quotedList(audiences, MAX_SHOWN) || 'none',
      mistake: () =>
        audience === null || (aud !== undefined && audiences.length === 0)
          ? undefined
          : audienceMistake(audiences, audience, claims),
    }),
    misformed === undefined
      ? checkOf('dates', checkDates(claims, policy, now), {
          expected: `valid now, with a tolerance of ${clockTolerance} s`,
          actual: datesOf(claims, now),
          mistake: () => datesMistake(claims, clockTolerance, now),
        })
      : skipped('dates'),
  ]
}

const DATES = ['exp', 'nbf', 'iat']

const MILLISECONDS = {
  cause: 'A date of the token is in milliseconds, so it lies thousands of years ahead.',
  fix: 'Make the issuer write seconds, such as Math.floor(Date.now() / 1000).',
}

/** Whether a number is a date in milliseconds between 2001 and 2286. */
function isInMilliseconds(value: unknown): boolean {
  return typeof value === 'number' && value >= 1e12 && value < 1e13
}

/** Describes the dates of a token by their distance from now. */
function datesOf(claims: RawClaims, now: Seconds): string {
  const parts = DATES.filter((name) => Object.hasOwn(claims, name)).map((name) => {
    const distance = Math.round((claims[name] as number) - now)
    return distance < 0 ? `${name} ${-distance} s ago` : `${name} in ${distance} s`
  })
  return parts.join(', ') || 'none'
}
