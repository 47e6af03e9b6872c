/**
 * Stage 1: finds exactly one token in a request (RFC 6750 §2).
 *
 * A request with two tokens is rejected, even if they are equal, unless `tokenFrom.first` says which one counts. If the gate
 * chose one of them, another part of the system, such as a proxy or a log, could choose the other one.
 */

import { mapMaybe } from '../lib/promise.ts'
import type { TokenSource, TokenSources, TokenText } from '../model/credentials.ts'
import { isRejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'
import { UnreadableForm } from '../request/form.ts'
import type { RequestLike } from '../request/request.ts'
import { DEFAULT_TEXT, type Found, MULTIPLE, NONE } from './found.ts'
import { inForm } from './parameters.ts'
import { placesOf } from './places.ts'

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
  const { places, readsForm, order } = placesOf(sources, text)
  const choose = (found: readonly Located[]) => onlyOne(withoutLater(found, order))
  const lookAt = (request: RequestLike) =>
    places.map(({ source, look }): Located => ({ source, found: look(request) }))
  if (readsForm)
    return (request) => {
      const others = lookAt(request)
      // A form that would be ignored is not read.
      if (withoutLater([...others, ANY_FORM], order).at(-1) !== ANY_FORM) return choose(others)
      return mapMaybe<Found, Found>(inForm(request, deadline * FORM_SHARE, text), (found) =>
        choose([...others, { source: 'form', found }]),
      )
    }
  const [only, ...others] = places
  if (only !== undefined && others.length === 0) return (request) => only.look(request)
  return (request) => choose(lookAt(request))
}

/** The result of searching one place of a request. */
interface Located {
  readonly source: TokenSource
  readonly found: Found
}

const ANY_FORM: Located = { source: 'form', found: NONE }

/** Leaves out the places that come later in the order than one with credentials, even if those are malformed. */
function withoutLater(all: readonly Located[], order: readonly TokenSource[]): readonly Located[] {
  const first = order.find((source) => all.some((item) => item.source === source && !isNone(item.found)))
  if (first === undefined) return all
  const later = order.slice(order.indexOf(first) + 1)
  return all.filter(({ source }) => !later.includes(source))
}

function isNone(found: Found): boolean {
  return isRejection(found) && found.reason === 'no_credentials'
}

/**
 * Rejects a request with credentials in two places, even if they are malformed (RFC 6750 §2). A form that could not be read
 * counts only if no other place has credentials: a long upload with a good token in its header must pass.
 */
function onlyOne(located: readonly Located[]): Found {
  const found = located.map((item) => item.found)
  const present = found.filter((item) => !isNone(item))
  const certain = present.filter((item) => !(item instanceof UnreadableForm))
  const [first, ...others] = certain
  if (others.length > 0) return certain.find(isTooLong) ?? MULTIPLE
  return first ?? present[0] ?? found.at(-1) ?? NONE
}

/** Whether one place had an overlong text. That reason is the more useful one, because it names the limit. */
function isTooLong(item: Found): boolean {
  return isRejection(item) && item.reason === 'credentials_too_long'
}
