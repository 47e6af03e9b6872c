/** Keeps shared caches from serving one caller's answer to another (RFC 9111 §3.5, RFC 9110 §12.5.5, RFC 6750 §2.3). */

import type { TokenSource } from '../model/credentials.ts'
import type { RequiredHeaders } from '../model/decision.ts'

/**
 * The headers that the answer to an allowed request must have, by the place of its token. A shared cache stores no answer to
 * a request with `Authorization` (RFC 9111 §3.5). For every other place it needs these headers.
 */
export interface CacheHeaders {
  /** Returns the headers for a token found there, or `undefined` if the gate reads `Authorization` only and requires a token. */
  of(source: TokenSource): RequiredHeaders | undefined
  /** For a request without credentials: its stored answer must not be served to a caller that has some. */
  readonly anonymous: RequiredHeaders
}

/**
 * Prepares the cache headers of a gate.
 * @param header the fields that may contain a token: `undefined` for `Authorization`, `''` for none
 * @param cookie whether a cookie may contain it
 * @param optional whether a request without a token is allowed
 */
export function cacheHeaders(
  header: string | readonly string[] | undefined,
  cookie: boolean,
  optional = false,
): CacheHeaders {
  const headers = header === '' ? [] : [header ?? 'Authorization'].flat()
  const isUsual = headers.length > 0 && headers.every((name) => name.toLowerCase() === 'authorization')
  const fields = [...headers, ...(cookie ? ['Cookie'] : [])]
  // The answer depends on every field that may contain a token: the next caller may use another one, or none.
  const Vary = fields.join(', ')
  const inAuthorization = optional || fields.length > 1 ? Object.freeze({ Vary }) : undefined
  const places: Readonly<Record<TokenSource, RequiredHeaders | undefined>> = {
    header: isUsual ? inAuthorization : Object.freeze({ 'Cache-Control': 'private', Vary }),
    cookie: Object.freeze({ 'Cache-Control': 'private', Vary }),
    form: Object.freeze({ 'Cache-Control': 'private', ...(fields.length > 0 && { Vary }) }),
    query: Object.freeze({ 'Cache-Control': 'private, no-store', 'Referrer-Policy': 'no-referrer' }),
  }
  return {
    of: (source) => places[source],
    anonymous: Object.freeze(fields.length === 0 ? {} : { Vary }),
  }
}

/** Returns the value that a header must have, given the value that the handler set: the stricter one wins. */
export function stricter(name: string, required: string, given: string | undefined): string {
  if (given === undefined || given.trim() === '') return required
  switch (name.toLowerCase()) {
    case 'cache-control':
      return cacheControl(required, given)
    case 'vary':
      return vary(required, given)
    default:
      return required
  }
}

/** Whether a header makes some caches ignore `Cache-Control`: those of RFC 9213 and of servers such as nginx. */
export function isTargetedCacheControl(name: string): boolean {
  return /(?:^|-)cdn-cache-control$|^(?:surrogate-control|edge-control|x-accel-expires)$/i.test(name)
}

/** One directive, whose argument may be a quoted string with commas in it (RFC 9111 §5.2). */
const DIRECTIVE = /(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g
/** Directives that allow a shared cache to store or reuse an answer. */
const SHARED = /^(?:public|s-maxage(?:=.*)?|private=.*)$/i

function cacheControl(required: string, given: string): string {
  const wanted = required.split(', ')
  const all = (given.match(DIRECTIVE) ?? []).map((directive) => directive.trim())
  // Nothing is stored, so only the directive that is not about storage is kept: middleware such as `compression` buffers
  // an event stream without it.
  if (wanted.includes('no-store')) return [required, ...all.filter(isNoTransform).slice(0, 1)].join(', ')
  const kept = all.filter((directive) => directive !== '' && !SHARED.test(directive))
  const names = kept.map((directive) => directive.toLowerCase())
  // A cache that understands the status code ignores `no-store` if there is also `must-understand` (RFC 9111 §5.2.2.3).
  const isStrict = names.includes('no-store') && !names.includes('must-understand')
  const missing = wanted.filter(
    (directive) => !names.includes(directive) && !(isStrict && directive === 'private'),
  )
  return [...missing, ...kept].join(', ')
}

function isNoTransform(directive: string): boolean {
  return directive.toLowerCase() === 'no-transform'
}

function vary(required: string, given: string): string {
  const names = given.split(',').map((name) => name.trim())
  if (names.includes('*')) return '*'
  const known = names.map((name) => name.toLowerCase())
  const missing = required.split(', ').filter((name) => !known.includes(name.toLowerCase()))
  return [...names.filter((name) => name !== ''), ...missing].join(', ')
}
