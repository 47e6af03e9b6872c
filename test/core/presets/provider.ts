/** A provider on loopback: its key sets, asked for at the provider's own URLs, and tokens of its shape. */

import type { Fetch, Identity, TokenVerifier } from '@bearergate/core'
import { createKey, goodClaims, NOW, type TestKey } from '../../support/issuer.ts'
import { listen } from '../../support/server.ts'

export type Claims = Readonly<Record<string, unknown>>

export interface Provider {
  /** Every URL that was asked for. */
  readonly asked: readonly string[]
  /** Reaches the loopback server by the provider's URLs, and nothing else. */
  readonly fetch: Fetch
  close(): Promise<void>
}

/** Serves each key set where it is said to be. */
export async function startProvider(
  keySets: Readonly<Record<string, readonly TestKey[]>>,
): Promise<Provider> {
  const server = await listen((request, response) => {
    const keys = keySets[decodeURIComponent(request.url?.slice(1) ?? '')]
    response.writeHead(keys === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ keys: keys?.map(({ jwk }) => jwk) }))
  })
  const asked: string[] = []
  return {
    asked,
    fetch: (url, init) => {
      asked.push(String(url))
      return fetch(`${server.origin}/${encodeURIComponent(String(url))}`, init)
    },
    close: server.close,
  }
}

export const now = () => NOW * 1000
export const rsaKey = (kid = 'rsa-1') => createKey('RS256', kid)
const NONE = Object.fromEntries(Object.keys(goodClaims()).map((name) => [name, undefined]))

/** Signs just these claims, with dates that are good; what is `undefined` is left out. */
export function sign(key: TestKey, claims: Claims, header: Claims = {}): Promise<string> {
  return key.sign({ ...NONE, iat: NOW - 10, exp: NOW + 600, ...claims }, { typ: 'JWT', ...header })
}

/** `active`, or the reason of the refusal, with its detail if that names a claim. */
export async function outcome(verifier: TokenVerifier<Identity<unknown>>, token: string): Promise<string> {
  const verification = await verifier.verify(token)
  if (verification.active) return 'active'
  const { reason, detail } = verification
  return /_claim$|^not_an/.test(reason) && detail !== undefined
    ? `${reason}: ${detail.replace(/ is missing, .*/, '')}`
    : reason
}

export async function identityOf<C>(
  verifier: TokenVerifier<Identity<C>>,
  token: string,
): Promise<Identity<C>> {
  const verification = await verifier.verify(token)
  if (!verification.active) throw new Error(`${verification.reason}: ${verification.detail}`)
  return verification.identity
}
