/** Our own vectors, through the verifier that an application makes (BI05 in small; RFC 7515, RFC 7518, RFC 8037). */

import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createGate, type JwtOptions, jwt } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import type { Algorithm } from '../../packages/core/src/verify/keys/jwk.ts'
import { createKey } from '../support/issuer.ts'
import { generate } from './own/generate.ts'
import { SETTING, type Vector, type VectorFile } from './own/vector.ts'
import { verifyByGiven } from './verify.ts'

const { issuer, audience, now } = SETTING

/**
 * A signature by the nonce zero, which only the owner of the key can make. RFC 8032 §5.1.7 accepts it. OpenSSL does so up to 3.0, and
 * not from 3.5 on.
 */
const RUNTIME_DECIDES = 'eddsa-r-identity'

/** Whether the runtime accepts the signature of a token by an Ed25519 key. */
function isAcceptedByRuntime({ token, key }: Vector): boolean {
  const end = token.lastIndexOf('.')
  const publicKey = createPublicKey({ key: key as JsonWebKey, format: 'jwk' })
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  return verify(null, Buffer.from(token.slice(0, end)), publicKey, signature)
}

/** The number of vectors of each file, and of those that are valid: a lost vector is noticed. */
const COUNTS: Readonly<Record<string, readonly [all: number, valid: number]>> = {
  ecdsa: [122, 24],
  rsa: [99, 10],
  hmac: [51, 6],
  eddsa: [45, 3],
  text: [71, 1],
  json: [85, 7],
  confusion: [73, 4],
}

function read(name: string): string {
  return readFileSync(new URL(`own/${name}.json`, import.meta.url), 'utf8')
}

function optionsFor({ algorithms }: Vector) {
  return {
    issuer,
    audience,
    algorithms: algorithms as NonNullable<JwtOptions['algorithms']>,
    now: () => now * 1000,
  }
}

/** Returns the outcome with the key given at creation: `valid`, or the reason of the rejection. */
async function outcomeByGiven(vector: Vector): Promise<string> {
  const options = { ...optionsFor(vector), keys: { keys: [vector.key] } } as JwtOptions
  let verifier: ReturnType<typeof jwt>
  try {
    verifier = jwt(options)
  } catch (error) {
    if (error instanceof TypeError && error.message.includes('"keys"')) return 'unusable_key'
    throw error
  }
  const decision = await createGate({ verifier }).authenticate({
    header: () => `Bearer ${vector.token}`,
  })
  try {
    const verified = await verifier.verify(vector.token)
    expect(decision.ok).toBe(verified.active)
    return verified.active ? 'valid' : verified.reason
  } catch {
    expect(decision).toMatchObject({ ok: false, status: 503 })
    return 'unavailable'
  }
}

/** Checks the token against a fetched set that holds the key and a good one. Such a set may not be used for HMAC. */
async function isAcceptedByFetched(vector: Vector, other: object): Promise<boolean> {
  const body = JSON.stringify({ keys: [vector.key, other] })
  const options = optionsFor(vector)
  const gate = createGate({
    verifier: jwt({
      ...options,
      algorithms: options.algorithms.filter((alg) => !alg.startsWith('HS')),
      jwksUri: `${issuer}/jwks`,
      fetch: async () => new Response(body, { headers: { 'content-type': 'application/json' } }),
    }),
  })
  const decision = await gate.authenticate({ header: () => `Bearer ${vector.token}` })
  gate.close()
  return decision.ok
}

const generated = generate()

describe.each([...generated.keys()].map((file) => file.replace('.json', '')))(
  'own vectors: %s',
  async (name) => {
    const { vectors }: VectorFile = JSON.parse(read(name))
    const other = (await createKey('ES256', 'other')).jwk

    it(`are what the generator writes: ${name}`, () => {
      expect(read(name)).toBe(generated.get(`${name}.json`))
    })

    it(`have distinct ids, and their number is known: ${name}`, () => {
      expect(new Set(vectors.map(({ id }) => id)).size).toBe(vectors.length)
      expect([vectors.length, vectors.filter(({ result }) => result === 'valid').length]).toEqual(
        COUNTS[name],
      )
    })

    for (const vector of vectors) {
      const { id, comment, algorithms } = vector
      const isOpen = id === RUNTIME_DECIDES && !isAcceptedByRuntime(vector)
      const { result, reason } = isOpen ? { result: 'invalid', reason: 'invalid_signature' } : vector
      it(`${id} is ${reason === undefined ? 'valid' : `invalid (${reason})`}: ${comment}`, async () => {
        expect(await outcomeByGiven(vector)).toBe(reason ?? 'valid')
        if (result === 'valid' || reason === 'invalid_signature')
          expect(await verifyByGiven(vector.token, [vector.key], algorithms as readonly Algorithm[])).toBe(
            reason ?? 'verified',
          )
        if (algorithms.every((alg) => alg.startsWith('HS'))) return
        expect(await isAcceptedByFetched(vector, other)).toBe(result === 'valid')
      })
    }
  },
)
