/** Defines the view of an HTTP request that gates read, on any host (RFC 9110 §6). */

/**
 * An HTTP request of any host. Each host translates its own request: `fromNodeRequest` for `node:http`, Express and Koa,
 * `fromLambdaEvent` for Lambda. A gate accepts a fetch `Request` as it is. Members are read only if they are needed.
 *
 * @example
 * const view: RequestLike = {
 *   header: (name) => frame.headers.get(name),
 *   method: frame.method,
 *   url: frame.target,
 *   secure: frame.connection.isTls,
 * }
 */
export interface RequestLike {
  /** Returns the value of a header field by its lower-case name. An array if there are several field lines. */
  header(name: string): string | readonly string[] | undefined
  /** In upper case. Without it there is no preflight, no form, and no metadata of a protected resource. */
  readonly method?: string | undefined
  /** The request target: path and query, or an absolute URL. */
  readonly url?: string | undefined
  /**
   * Whether the socket or a framework knows that the request came over TLS. Never derive it from `Host` or the URL. Default
   * `false`.
   */
  readonly secure?: boolean | undefined
  /** Whether both addresses of the socket belong to this machine and no proxy forwarded the request. Default `false`. */
  readonly loopback?: boolean | undefined
  /**
   * Whether there is a body, if the headers do not tell (RFC 9112 §6). Default: `Content-Length` and `Transfer-Encoding` tell.
   */
  readonly hasBody?: boolean | undefined
  /**
   * Returns the fields of a form body: `URLSearchParams`, or the object that a body parser made of it. `undefined` if it was
   * not parsed. Called only if the gate accepts tokens in forms and the body is one. If it throws, the answer is 503. If a
   * promise is still pending after four fifths of the gate's `deadline`, the client is too slow: the answer is 400.
   */
  form?(): unknown
}

/**
 * Returns path and query of a request target, in origin form or absolute form (RFC 9112 §3.2). It does not use `URL`, which
 * resolves `..` and rewrites `\`: the handler sees the target as the client sent it, so the gate must, too.
 */
export function requestTarget(request: RequestLike): readonly [path: string, query: string] {
  const url = typeof request.url === 'string' ? request.url : ''
  const target = url.startsWith('/') ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
  const bare = target.replace(/#.*$/s, '')
  const mark = bare.indexOf('?')
  return mark === -1 ? [bare, ''] : [bare.slice(0, mark), bare.slice(mark + 1)]
}
