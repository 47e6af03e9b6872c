/** What operators hear about a token whose algorithm is not that of its key (RFC 8725 §3.1). */

import { createGate, type DecisionEvent, type IssuerGateOptions } from '@bearergate/core'
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { requestWith } from '../../../support/forge.ts'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../../../support/issuer.ts'

const jwksUri = 'https://keys.example.com/jwks'
const signers = new Map<string, CryptoKey>()
let n: JWK
let e: JWK
const withoutAlg = () => ({ kty: 'RSA', n, e, kid: 'key' })

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  ;({ n, e } = (await exportJWK(publicKey)) as { n: never; e: never })
  for (const alg of ['RS256', 'RS512', 'PS256']) {
    signers.set(alg, (await importJWK({ ...jwk, alg }, alg)) as CryptoKey)
  }
})

async function told(alg: string, jwk: object, more: object = {}, header: object = { kid: 'key' }) {
  const events: DecisionEvent[] = []
  const source = { jwksUri, fetch: async () => Response.json({ keys: [jwk] }) }
  const gate = createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    now: () => NOW * 1000,
    onDecision: (event) => events.push(event),
    ...('keys' in more ? {} : source),
    ...more,
  } as IssuerGateOptions)
  const token = await new SignJWT(goodClaims())
    .setProtectedHeader({ alg, typ: 'at+jwt', ...header })
    .sign(signers.get(alg) as CryptoKey)
  const decision = await gate.authenticate(requestWith(token))
  return [decision.ok ? 'ok' : decision.reason, events[0]?.detail]
}

describe('a token by a key without alg (FIELD24)', () => {
  it.each(['PS256', 'RS512'])('with %s is rejected, and the detail says what to configure', async (alg) => {
    const detail = `a key with this "kid" has no "alg", so RS256 was assumed for it: if the issuer signs with ${alg}, set "algorithms" to ["${alg}"]`
    expect(await told(alg, withoutAlg())).toEqual(['unknown_key', detail])
    expect(await told(alg, {}, { keys: { keys: [withoutAlg()] } })).toEqual(['unknown_key', detail])
    const [reason, unnamed] = await told(alg, withoutAlg(), {}, {})
    expect([reason, unnamed]).toEqual([
      'unknown_key',
      expect.stringContaining('a key of the issuer has no "alg"'),
    ])
  })

  it.each(['PS256', 'RS512'])(
    'a token with %s is accepted if that is configured, and RS256 is then rejected',
    async (alg) => {
      const algorithms = [alg]
      expect(await told(alg, withoutAlg(), { algorithms })).toEqual(['ok', undefined])
      expect((await told('RS256', withoutAlg(), { algorithms }))[0]).toBe('algorithm_not_allowed')
    },
  )

  it('a token with RS256 is accepted, and the description says that this was assumed', async () => {
    expect(await told('RS256', withoutAlg())).toEqual(['ok', undefined])
    const keys = { keys: [withoutAlg()] }
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys })
    expect(gate.describe().verifier).toMatchObject({
      keySet: { keys: [{ kid: 'key', algorithms: ['RS256'], isAssumed: true }] },
    })
  })
})

describe('a token by a key with another alg (FIELD24)', () => {
  it('is rejected, and the detail names that of the key', async () => {
    expect(await told('PS256', { ...withoutAlg(), alg: 'RS256' })).toEqual([
      'unknown_key',
      'the key with this "kid" is for RS256 only',
    ])
  })

  it('names its kid, the keys and the next fetch if its kid is unknown', async () => {
    expect(await told('PS256', withoutAlg(), {}, { kid: 'other' })).toEqual([
      'unknown_key',
      'no key has the kid "other": the keys are "key". The gate may fetch the keys again because of a token with an unknown key now',
    ])
  })
})
