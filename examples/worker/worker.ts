/** A Worker that takes the access tokens of one issuer, and keeps its keys in the cache of the data center. */

import { createGate, type Gate, type JwksStore, type StoredJwks, scope } from '@bearergate/core'

interface Env {
  ISSUER: string
  AUDIENCE: string
}

interface Context {
  waitUntil(promise: Promise<unknown>): void
}

declare const caches: { readonly default: Cache }
interface Cache {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}

/** A URL of nobody's, so that no page of the issuer's is taken for its keys. */
const placeOf = (name: string) => `https://key-sets.invalid/${encodeURIComponent(name)}`

const jwksStore: JwksStore = {
  async get(name) {
    return (await (await caches.default.match(placeOf(name)))?.json()) as StoredJwks | undefined
  },
  set: (name, keySet) =>
    caches.default.put(
      placeOf(name),
      Response.json(keySet, { headers: { 'Cache-Control': 'max-age=3600' } }),
    ),
}

let gate: Gate | undefined

export default {
  fetch(request: Request, env: Env, context: Context): Promise<Response> {
    gate ??= createGate({
      issuer: env.ISSUER,
      audience: env.AUDIENCE,
      requirement: scope('read:messages'),
      jwksStore,
    })
    const handler = gate.protect((_request, identity, _context: Context) =>
      Response.json({ hello: identity.subject }),
    )
    return handler(request, context)
  },
}
