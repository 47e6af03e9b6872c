/** Posts JSON objects, with the limits of `fetchJson`. */

import type { SecureUrl } from '../lib/url.ts'
import { exchange, type Fetch, hold, NEW_CONNECTION, type Posted, repeatOnce } from './fetch-json.ts'

export interface JsonPost {
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
  readonly fetch: Fetch
  /** The deadline for connecting, headers and body. */
  readonly signal: AbortSignal
  /** Other statuses than 200 whose body is read. A body that is not a JSON object counts as an empty one. */
  readonly readable?: readonly number[]
}

/**
 * Posts one JSON object, and reads one. Like `fetchJson`, it sends the request again if the connection was lost before a response.
 * @throws UnusableAnswer if the response cannot be used
 * @throws UnavailableError if there is no response in time
 */
export function postJson(url: SecureUrl, post: JsonPost): Promise<Posted> {
  const { headers, body, fetch, signal, readable = [] } = post
  const types = { accept: 'application/json', 'content-type': 'application/json' }
  const init = {
    method: 'POST',
    headers: { ...headers, ...types, ...NEW_CONNECTION },
    body: JSON.stringify(body),
  }
  return repeatOnce(() => exchange(url, init, { fetch, signal, hold, readable }))
}
