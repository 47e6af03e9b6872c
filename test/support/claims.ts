/** Signs claims, and verifies them with the options of a test. */

import { createGate, type Identity, type JwtOptions, jwt, type TokenVerifier } from '@bearergate/core'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from './issuer.ts'

let key: Promise<TestKey> | undefined
const keyOf = () => {
  key ??= createKey('ES256')
  return key
}

export type Options = Partial<JwtOptions>

export async function verifier(options: Options = {}): Promise<TokenVerifier> {
  const keys = { keys: [(await keyOf()).jwk] }
  return jwt({ issuer: ISSUER, audience: AUDIENCE, keys, now: () => NOW * 1000, ...options } as JwtOptions)
}

/** Signs the claims of a good token without scope and client, and these. */
export async function sign(claims: object): Promise<string> {
  return (await keyOf()).sign({ scope: undefined, client_id: undefined, ...claims })
}

export async function verify(claims: object, options?: Options) {
  return (await verifier(options)).verify(await sign(claims))
}

export async function identity(claims: object, options?: Options): Promise<Identity> {
  const verification = await verify(claims, options)
  if (!verification.active) throw new Error(`${verification.reason}: ${verification.detail}`)
  return verification.identity
}

export async function status(claims: object, options: Options): Promise<number | 'ok'> {
  const token = await sign(claims)
  const decision = await createGate({ verifier: await verifier(options) }).authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
  return decision.ok ? 'ok' : decision.status
}
