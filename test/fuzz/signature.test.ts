/** Signatures under mutation: both twins of the check and `node:crypto` itself agree about each (RFC 7515 §5.2). */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ALGORITHMS as ALLOWED,
  type VerificationKey,
  verificationKey,
} from '../../packages/core/src/verify/keys/jwk.ts'
import { outcomeOfBoth } from '../support/twins.ts'
import { AGAIN, fuzz, scaled } from './run.ts'
import { ALGORITHMS, createSigner, isSigned, type Signer } from './signer.ts'

const signers = ALGORITHMS.map((alg) => createSigner(alg))
const keys = new Map(signers.map((signer) => [signer, keyOf(signer)]))
const tokens = signers.flatMap(({ token }) => [token({}, {}), token({ typ: 'at+jwt' }, { sub: 'emma' })])

function keyOf({ jwk }: Signer): VerificationKey {
  const key = verificationKey(jwk, ALLOWED, 'allow-secrets')
  if (typeof key === 'string') throw new Error(key)
  return key
}

type Mutation = (signature: Buffer, at: number, choice: number) => Buffer

const MUTATIONS: readonly Mutation[] = [
  (signature) => signature,
  (signature, at, choice) => {
    const changed = Buffer.from(signature)
    if (changed.length > 0)
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ (1 << (choice % 8))
    return changed
  },
  (signature, at) => signature.subarray(0, at % (signature.length + 1)),
  (signature, at) => signature.subarray(at % (signature.length + 1)),
  (signature, at, choice) => Buffer.concat([signature, Buffer.alloc(1 + (at % 3), choice)]),
  (signature, at, choice) => Buffer.concat([Buffer.alloc(1 + (at % 3), choice), signature]),
  // One half of zeros or ones, and both halves in the other order, as R and S of ECDSA.
  (signature, at, choice) => {
    const half = signature.length >> 1
    return Buffer.from(signature).fill(
      choice % 2 === 0 ? 0 : 0xff,
      at % 2 === 0 ? 0 : half,
      at % 2 === 0 ? half : undefined,
    )
  },
  (signature) =>
    Buffer.concat([signature.subarray(signature.length / 2), signature.subarray(0, signature.length / 2)]),
]

const steps = fc.array(fc.tuple(fc.nat(MUTATIONS.length - 1), fc.nat(600), fc.nat(255)), { maxLength: 2 })

describe('a signature', () => {
  it('is accepted by both twins if node:crypto accepts it, and by neither otherwise (F04)', async () => {
    let accepted = 0
    const property = fc.asyncProperty(
      fc.constantFrom(...signers),
      fc.option(fc.constantFrom(...tokens)),
      steps,
      async (signer, other, changes) => {
        const token = other ?? signer.token({ alg: signer.alg }, { sub: 'emma' })
        const end = token.lastIndexOf('.')
        const signed = token.slice(0, end)
        const signature = changes.reduce<Buffer>(
          (made, [index, at, choice]) => MUTATIONS[index]?.(made, at, choice) ?? made,
          Buffer.from(token.slice(end + 1), 'base64url'),
        )
        const expected = isSigned(signer.alg, signer.key, signed, signature)
        const key = keys.get(signer) as VerificationKey
        if (expected) accepted += 1
        return (await outcomeOfBoth(key, `${signed}.${signature.toString('base64url')}`)) === expected
      },
    )
    expect(await fuzz('F04 twins', property, 6_000)).toBeGreaterThanOrEqual(scaled(6_000))
    expect(accepted, AGAIN).toBeGreaterThanOrEqual(scaled(400))
  })
})
