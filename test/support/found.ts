/** What is found in the places of a simulated request. */

import type { RequestLike, TokenSources } from '@bearergate/core'
import { createExtract } from '#core/extract/extract.ts'

export const FORM = 'application/x-www-form-urlencoded'

export interface Given {
  readonly method?: string
  readonly url?: string
  readonly body?: unknown
  readonly [header: string]: unknown
}

/** A request with these headers, a parsed body, and `POST /` by default. */
export function view({ method = 'POST', url = '/', body, ...headers }: Given): RequestLike {
  return { method, url, header: (name) => headers[name] as string | undefined, form: () => body }
}

const ALL: TokenSources = { form: true, query: true, cookie: 'token' }

/** The token that is found and its place, or the reason why there is none. */
export async function found(given: Given, places: TokenSources = ALL): Promise<string> {
  const result = await createExtract(places)(view(given))
  return 'reason' in result ? result.reason : `${result.token} in ${result.source}`
}
