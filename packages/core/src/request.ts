/** The little that a gate reads of any HTTP request, lazily. */

/**
 * Any HTTP request, as far as a gate reads it. Every host translates its own request into one:
 * `nodeRequest` for `node:http`, Express and Koa; a fetch `Request` is understood as it is.
 */
export interface RequestView {
  /** The value of a header field by its lower-case name: an array where it came in several lines. */
  header(name: string): string | readonly string[] | undefined
}

/** What is read of a `node:http` request, or of a framework's request that extends one. */
export interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders?: readonly string[]
}

/**
 * The view of a `node:http` request.
 *
 * Node keeps only the first of several `Authorization` lines in `headers`; the others are seen in `rawHeaders`.
 * The value is that of `headers`, so that a middleware before this one may set or remove it.
 */
export function nodeRequest(request: NodeRequest): RequestView {
  return new NodeRequestView(request)
}

class NodeRequestView implements RequestView {
  readonly #request: NodeRequest

  constructor(request: NodeRequest) {
    this.#request = request
  }

  header(name: string): string | readonly string[] | undefined {
    const { headers, rawHeaders } = this.#request
    const value = headers[name]
    if (value === undefined || rawHeaders === undefined) return value
    let line: string | undefined
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const field = rawHeaders[index]
      if (field?.length !== name.length || field.toLowerCase() !== name) continue
      if (line !== undefined) return [line, rawHeaders[index + 1] ?? '']
      line = rawHeaders[index + 1]
    }
    return value
  }
}

/** The view of a fetch `Request`, whose `Headers` join several lines with a comma (Fetch §2.2.1). */
export function viewOf(request: Request | RequestView): RequestView {
  if ('header' in request) return request
  const { headers } = request
  if (typeof headers?.get !== 'function')
    throw new TypeError('a request must be a fetch Request or a RequestView, such as nodeRequest(request)')
  return { header: (name) => headers.get(name) ?? undefined }
}
