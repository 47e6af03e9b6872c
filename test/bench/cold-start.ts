/** One cold start, as a function has it: bundled, alone in a process. Says what it took. Bundled and run by cold-starts.ts. */

import type { JwksStore, StoredJwks } from '@bearergate/core'
import type { JSONWebKeySet } from 'jose'
import type { Setup } from './authority.ts'

export interface ColdSetup extends Pick<Setup, 'issuer' | 'audience' | 'jwksUri'> {
  readonly jwks: { readonly keys: readonly object[] }
  readonly token: string
}

/** Milliseconds. */
export interface ColdStart {
  /** What is loaded, and what is made before the first request. */
  readonly load: number
  readonly first: number
  readonly second: number
}

interface JsonWebToken {
  verify(
    token: string,
    key: (header: { kid?: string }, done: (cause: Error | null, key?: string) => void) => void,
    options: object,
    done: (cause: Error | null) => void,
  ): void
}

type Check = (token: string) => Promise<boolean>

const gate =
  (more: (setup: ColdSetup) => object, isReady = false) =>
  async (setup: ColdSetup): Promise<Check> => {
    const { createGate } = await import('@bearergate/core')
    const { issuer, audience } = setup
    const made = createGate({ issuer, audience, ...more(setup) })
    if (isReady) await made.ready()
    return async (token) => (await made.authenticate({ header: () => `Bearer ${token}` })).ok
  }

/** As another process left it. */
function storeOf({ jwks }: ColdSetup): JwksStore {
  const kept = { keys: jwks.keys, fetchedAt: Date.now() } as StoredJwks
  return { get: async () => kept, set: async () => {} }
}

export const COLD_STARTS: Readonly<Record<string, (setup: ColdSetup) => Promise<Check>>> = {
  'bearergate, by the issuer alone': gate(() => ({})),
  'bearergate, after `ready()`': gate(() => ({}), true),
  'bearergate, with `jwksUri`': gate(({ jwksUri }) => ({ jwksUri })),
  'bearergate, with a `jwksStore`': gate((setup) => ({ jwksStore: storeOf(setup) })),
  'bearergate, with `keys`': gate(({ jwks }) => ({ keys: jwks })),
  'jose by hand, with the keys': async ({ issuer, audience, jwks }) => {
    const { createLocalJWKSet, jwtVerify } = await import('jose')
    const keys = createLocalJWKSet(jwks as JSONWebKeySet)
    return async (token) => (await jwtVerify(token, keys, { issuer, audience })).payload.iss === issuer
  },
  'jose by hand': async ({ issuer, audience, jwksUri }) => {
    const { createRemoteJWKSet, jwtVerify } = await import('jose')
    const keys = createRemoteJWKSet(new URL(jwksUri))
    return async (token) => (await jwtVerify(token, keys, { issuer, audience })).payload.iss === issuer
  },
  'jsonwebtoken + jwks-rsa': async ({ issuer, audience, jwksUri }) => {
    // @ts-expect-error It has no types of its own.
    const { default: untyped } = await import('jsonwebtoken')
    const jsonwebtoken = untyped as JsonWebToken
    const { default: jwksRsa } = await import('jwks-rsa')
    const client = jwksRsa({ jwksUri, cache: true })
    return (token) =>
      new Promise((resolve, reject) =>
        jsonwebtoken.verify(
          token,
          ({ kid }, done) => {
            client.getSigningKey(kid).then((key) => done(null, key.getPublicKey()), done)
          },
          { issuer, audience, algorithms: ['RS256'] },
          (cause) => (cause === null ? resolve(true) : reject(cause)),
        ),
      )
  },
}

const [name = '', text = '{}'] = process.argv.slice(2)
const make = COLD_STARTS[name]
if (make !== undefined) {
  const setup = JSON.parse(text) as ColdSetup
  const began = performance.now()
  const check = await make(setup)
  const load = performance.now() - began
  const timed = async () => {
    const start = performance.now()
    if (!(await check(setup.token))) throw new Error('a good token was refused')
    return performance.now() - start
  }
  console.log(JSON.stringify({ load, first: await timed(), second: await timed() } satisfies ColdStart))
}
