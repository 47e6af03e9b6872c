/**
 * Stage 1: finds exactly one token in a request (RFC 6750 §2).
 *
 * A request with two tokens is rejected, even if both are equal. If the gate chose one of them, another part of the system,
 * such as a proxy or a log, could choose the other one.
 */

import { assertBoolean, readOptions } from '../lib/assert.ts'
import { mapMaybe } from '../lib/promise.ts'
import { isFieldName } from '../lib/syntax.ts'
import type { TokenSources, TokenText } from '../model/credentials.ts'
import { isRejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'
import { UnreadableForm } from '../request/form.ts'
import type { RequestLike } from '../request/request.ts'
import { inCookie } from './cookie.ts'
import { DEFAULT_TEXT, type Found, MULTIPLE, NONE } from './found.ts'
import { inAuthorization, inField } from './header.ts'
import { inForm, inQuery } from './parameters.ts'

/** Finds the token of a request. Returns a promise only if a form has to be read. */
export type Extract = (request: RequestLike) => Found | Promise<Found>

/** The part of the deadline within which a client must send its form. The rest remains for the verification. */
const FORM_SHARE = 0.8

/**
 * Creates the function that looks for a token in the configured places.
 * @param deadline how long a request may wait for its decision. In seconds
 * @param text the texts that are read as tokens
 * @throws TypeError if a place is invalid, or none is left
 */
export function createExtract(
  sources: TokenSources = {},
  deadline: Seconds = 10,
  text: TokenText = DEFAULT_TEXT,
): Extract {
  const read = readOptions('tokenFrom', sources, ['header', 'form', 'query', 'cookie'])
  const places: ((request: RequestLike) => Found)[] = []
  if (typeof read.header === 'string') {
    const field = fieldName('header', read.header).toLowerCase()
    places.push((request) => inField(request, field, text))
  } else if (assertBoolean('header', read.header, true))
    places.push((request) => inAuthorization(request, text))
  if (assertBoolean('query', read.query)) places.push((request) => inQuery(request, text))
  if (read.cookie !== undefined) {
    const cookie = fieldName('cookie', read.cookie)
    places.push((request) => inCookie(request, cookie, text))
  }
  const [first, ...others] = places
  if (assertBoolean('form', read.form))
    return (request) => {
      const found = places.map((look) => look(request))
      return mapMaybe<Found, Found>(inForm(request, deadline * FORM_SHARE, text), (form) =>
        onlyOne([...found, form]),
      )
    }
  if (first === undefined)
    throw new TypeError('"tokenFrom" must leave a place for a token, such as { header: true }')
  return others.length === 0 ? first : (request) => onlyOne(places.map((look) => look(request)))
}

/** Checks an option that is the name of a header field or a cookie. */
function fieldName(option: string, name: string): string {
  if (typeof name === 'string' && isFieldName(name)) return name
  throw new TypeError(`"${option}" must be a name of token characters (RFC 9110 §5.6.2)`)
}

/**
 * Rejects a request with credentials in two places, even if they are malformed (RFC 6750 §2). A form that could not be read
 * counts only if no other place has credentials: a long upload with a good token in its header must pass.
 */
function onlyOne(found: readonly Found[]): Found {
  const present = found.filter((item) => !(isRejection(item) && item.reason === 'no_credentials'))
  const certain = present.filter((item) => !(item instanceof UnreadableForm))
  const [first, ...others] = certain
  if (others.length > 0) return certain.find(isTooLong) ?? MULTIPLE
  return first ?? present[0] ?? found.at(-1) ?? NONE
}

/** Whether one place had an overlong text. That reason is the more useful one, because it names the limit. */
function isTooLong(item: Found): boolean {
  return isRejection(item) && item.reason === 'credentials_too_long'
}
