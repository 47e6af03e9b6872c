/** Recognizes why a token is not valid at this time. */

import type { Seconds } from '../../model/units.ts'
import type { Mistake } from '../../observe/remedies.ts'
import type { RawClaims } from '../claims/values.ts'

const CLOCKS =
  'Synchronize the clocks of both machines (NTP). Until then, "clockTolerance" may be raised to at most 300 seconds.'

/** Explains dates that do not allow the token now. */
export function datesMistake(claims: RawClaims, tolerance: Seconds, now: Seconds): Mistake | undefined {
  const [exp, nbf, iat] = ['exp', 'nbf', 'iat'].map((name) => claims[name] as number | undefined)
  const begins = Math.max(nbf ?? 0, iat ?? 0)
  const ahead = Math.round(begins - now)
  if (ahead > tolerance)
    return ahead <= 3600
      ? {
          cause: `The clock of the issuer is about ${ahead} s ahead of the clock of this machine: the token begins in the future.`,
          fix: CLOCKS,
        }
      : {
          cause: `The token begins to be valid in ${ahead} s${inWords(ahead)}.`,
          fix: 'Correct the clock of this machine or of the issuer, or use the token later.',
        }
  if (exp === undefined || now < exp + tolerance) return undefined
  const over = Math.round(now - exp)
  const lifetime = iat === undefined ? undefined : exp - iat
  if (over <= 300)
    return {
      cause: `The token expired ${over} s ago. If the client got it just now, the clock of this machine is about ${over} s ahead.`,
      fix: `Get a new token before the old one expires. ${CLOCKS}`,
    }
  const short =
    lifetime !== undefined && lifetime <= 60
      ? ` It was valid for ${lifetime} s only: raise its lifetime at the issuer.`
      : ''
  return {
    cause: `The token expired ${over} s${inWords(over)} ago.`,
    fix: `Get a new token: with the refresh token, or by logging in again.${short}`,
  }
}

/** A long time in a larger unit, such as ` (about 2 h)`. Empty for a short one. */
function inWords(seconds: Seconds): string {
  if (seconds < 120) return ''
  const [unit, length] = seconds < 7200 ? ['min', 60] : seconds < 172_800 ? ['h', 3600] : ['days', 86_400]
  return ` (about ${Math.round(seconds / length)} ${unit})`
}
