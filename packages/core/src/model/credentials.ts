/** Defines which texts are tokens, and where a gate looks for them (RFC 6750 §2). */

/** Bounds and default of `maxTokenLength`, in characters. Header lines have at most 16 KiB on most hosts. */
export const TOKEN_LENGTH = { min: 256, preset: 8_192, max: 15_000 } as const

/**
 * The characters that a token may have.
 *
 * - `b64token` (default): letters, digits, `-._~+/`, and `=` at the end (RFC 6750 §2.1). JWTs have this form.
 * - `visible-ascii`: all visible ASCII characters except the comma, for issuers that do not keep to the RFC.
 */
export type TokenSyntax = 'b64token' | 'visible-ascii'

/** The texts that a gate reads as tokens. */
export interface TokenText {
  /** In characters. */
  readonly maxLength: number
  readonly syntax: TokenSyntax
}

/** The part of a request that contained the token: a header field, a form, the query or a cookie (RFC 6750 §2). */
export type TokenSource = 'header' | 'form' | 'query' | 'cookie'

/** The places where a gate looks for a token. A request with tokens in two places is rejected with 400 (RFC 6750 §2). */
export interface TokenSources {
  /**
   * `true` (default): the gate reads `Authorization: Bearer …` (RFC 6750 §2.1). A string names another field, such as
   * `X-Api-Key`, whose value is the token, with or without `Bearer` before it. An array names several fields, of which a
   * request may use one. `false`: no field is read.
   */
  header?: boolean | string | readonly string[] | undefined
  /**
   * `true`: the gate reads the parameter `access_token` of a form body in `POST`, `PUT` or `PATCH` (RFC 6750 §2.2). On Lambda
   * and in a fetch `Request`, the body may have at most 262,144 bytes. On Express and Koa, mount a body parser before the gate.
   * Default `false`.
   */
  form?: boolean | undefined
  /**
   * `true`: the gate reads the parameter `access_token` of the query (RFC 6750 §2.3). A string is the name of another
   * parameter. Use it only if clients can send nothing else, because URLs are logged. Default `false`.
   */
  query?: boolean | string | undefined
  /**
   * The name of a cookie whose value is the token, with or without `Bearer` before it. Browsers send cookies with requests that
   * other sites trigger. So set `SameSite`, or protect against cross-site request forgery in another way. Default: no cookie is
   * read.
   */
  cookie?: string | undefined
  /**
   * The order of the places, for requests with credentials in several of them. With `['header', 'cookie']`, the gate uses the
   * header and ignores the cookie, even if the header is invalid. Each place must be enabled. If a place that is not in the
   * list has credentials too, the answer is 400. Default: no order, and the answer to credentials in two places is 400.
   */
  first?: readonly TokenSource[] | undefined
}

/**
 * A token and the place where it was found. The token has the syntax and the length that `tokenSyntax` and `maxTokenLength`
 * allow.
 */
export interface Credentials {
  readonly token: string
  readonly source: TokenSource
}
