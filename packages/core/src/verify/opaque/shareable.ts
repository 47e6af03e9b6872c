/** Turns the result of a lookup into JSON that processes can share. */

import { getOwn } from '../../lib/json.ts'
import { isJson } from '../../lib/plain.ts'
import { quoted } from '../../lib/received.ts'
import { MistakeError } from '../../model/unavailable.ts'
import { isNumericDate } from '../../model/units.ts'
import type { SharedAnswer } from '../../state/result-store.ts'
import type { Terms } from '../shared-answers.ts'
import { readRecord } from './record.ts'

/** A shorter token may be part of a claim by chance. */
const MIN_LENGTH = 8

/**
 * Returns the record that a lookup found, `null` if it found none.
 * @param prefix the prefix of the tokens of the verifier, or an empty text
 * @throws MistakeError if it is no record, is no JSON, or contains the token
 */
export function shareableRecord(found: unknown, token: string, prefix: string): SharedAnswer {
  if (found === null || found === undefined) return null
  const record = readRecord(found)
  const strange = Object.entries(record).find(([, value]) => !isJson(value))
  if (strange !== undefined)
    throw new MistakeError(
      `"lookup" returned ${quoted(strange[0])} with a value that is no JSON, such as a Date, and so cannot be shared between processes. Convert it, or do not set the "store" of "cache"`,
    )
  const text = JSON.stringify(record)
  // The secret part of the token is as good as the whole: the prefix is the same for all tokens.
  const secrets = [token, prefix === '' ? token : token.slice(prefix.length + 1)].map((part) =>
    JSON.stringify(part).slice(1, -1),
  )
  if (secrets.some((secret) => secret.length >= MIN_LENGTH && text.includes(secret)))
    throw new MistakeError(
      '"lookup" returned a record that contains the token, and so must not be shared. Leave the token out of the record',
    )
  return record
}

/** Returns how long a record may be shared. */
export function termsOfRecord(record: SharedAnswer): Terms {
  const expiresAt = record === null ? undefined : getOwn(record, 'expiresAt')
  return { active: record !== null, expiresAt: isNumericDate(expiresAt) ? expiresAt : undefined }
}
