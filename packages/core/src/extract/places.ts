/** Reads the option `tokenFrom`: the places to look in, and which of them comes first (RFC 6750 §2). */

import { assertBoolean, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { received } from '../lib/received.ts'
import { isFieldName } from '../lib/syntax.ts'
import type { TokenSource, TokenSources, TokenText } from '../model/credentials.ts'
import type { RequestLike } from '../request/request.ts'
import { inCookie } from './cookie.ts'
import type { Found } from './found.ts'
import { inAuthorization, inField } from './header.ts'
import { inQuery, PARAMETER } from './parameters.ts'

/** A place that is searched synchronously. */
export interface Place {
  readonly source: TokenSource
  look(request: RequestLike): Found
}

export interface Places {
  /** Every place except the form, which is read last. */
  readonly places: readonly Place[]
  readonly readsForm: boolean
  /**
   * The order of sources: the gate uses the first one that has credentials. Empty if credentials in two places are always
   * rejected.
   */
  readonly order: readonly TokenSource[]
}

/**
 * Reads the places of the option `tokenFrom`.
 * @throws TypeError if a place is invalid, or none is left
 */
export function placesOf(sources: TokenSources, text: TokenText): Places {
  const read = readOptions('tokenFrom', sources, ['header', 'form', 'query', 'cookie', 'first'])
  const places: Place[] = []
  for (const field of headersOf(read.header))
    places.push({
      source: 'header',
      look: (request) =>
        field === undefined ? inAuthorization(request, text) : inField(request, field, text),
    })
  const parameter = typeof read.query === 'string' ? nameOf('query', read.query) : PARAMETER
  if (typeof read.query === 'string' || assertBoolean('query', read.query))
    places.push({ source: 'query', look: (request) => inQuery(request, text, parameter) })
  if (read.cookie !== undefined) {
    const cookie = nameOf('cookie', read.cookie)
    places.push({ source: 'cookie', look: (request) => inCookie(request, cookie, text) })
  }
  const readsForm = assertBoolean('form', read.form)
  if (places.length === 0 && !readsForm)
    throw configurationError(
      'INVALID_OPTION',
      '"tokenFrom" must allow at least one place for the token, such as { header: true }, but allows none',
    )
  const used = [...places.map(({ source }) => source), ...(readsForm ? (['form'] as const) : [])]
  return { places, readsForm, order: orderOf(read.first, used) }
}

/** The fields in lower case. `undefined` is `Authorization` in the form of RFC 6750 §2.1. */
function headersOf(header: unknown): readonly (string | undefined)[] {
  if (typeof header === 'string') return [nameOf('header', header).toLowerCase()]
  if (!Array.isArray(header))
    return assertBoolean('header', header as boolean | undefined, true) ? [undefined] : []
  const fields = [...header].map((field) => nameOf('header', field).toLowerCase())
  if (fields.length < 2 || new Set(fields).size < fields.length)
    throw configurationError(
      'INVALID_OPTION',
      '"header" must be true, false, a name, or an array of at least two different names, such as ["Authorization", "X-Api-Key"]',
    )
  return fields.map((field) => (field === 'authorization' ? undefined : field))
}

/** Checks an option that is the name of a header field, a parameter or a cookie. */
function nameOf(option: string, name: unknown): string {
  if (typeof name === 'string' && isFieldName(name)) return name
  throw configurationError(
    'INVALID_OPTION',
    `"${option}" must be a valid name, with only letters, digits and !#$%&'*+-.^_\`|~ (RFC 9110 §5.6.2), but is ${received(name)}`,
  )
}

function orderOf(first: unknown, used: readonly TokenSource[]): readonly TokenSource[] {
  if (first === undefined) return []
  const order: readonly unknown[] = Array.isArray(first) ? [...first] : []
  const isComplete = order.length >= 2 && order.every((source) => used.includes(source as TokenSource))
  if (isComplete && new Set(order).size === order.length) return order as readonly TokenSource[]
  throw configurationError(
    'INVALID_OPTION',
    `"first" must list at least two of the places in "tokenFrom", in the order of preference, such as ['header', 'cookie']. Here "tokenFrom" allows only: ${[...new Set(used)].join(', ')}`,
  )
}
