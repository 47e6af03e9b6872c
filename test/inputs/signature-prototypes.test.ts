/** BI15: what somebody has set on `Object.prototype` changes the outcome of no signature check, on any runtime. */

import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { keyOf, signers, tokenOf } from '../support/signers.ts'
import { outcomeOf, TWINS } from '../support/twins.ts'

/** Members that cryptography of the runtime looks for in options and keys, with values that would change the outcome. */
const POLLUTION: readonly (readonly [name: string, values: readonly unknown[]])[] = [
  ['padding', [1, 3, 6]],
  ['saltLength', [0, 20]],
  ['dsaEncoding', ['der', 'ieee-p1363']],
  ['context', [new Uint8Array([1])]],
  ['hash', ['SHA-1', 'SHA-512']],
  ['secret', ['x']],
  ['publicKey', ['x']],
  ['ecdsaLength', [64]],
  ['namedCurve', ['P-384']],
  ['name', ['HMAC']],
  ['format', ['pem', 'der']],
  ['encoding', ['hex']],
  ['passphrase', ['secret']],
  ['key_ops', [[], ['sign']]],
  ['use', ['enc']],
  ['ext', [false]],
  ['alg', ['none', 'HS256']],
  ['length', [8]],
  ...['k', 'd', 'p', 'oth', 'priv', 'crv', 'x', 'n', 'key', 'type'].map(
    (name) => [name, ['AQAB', 'P-256']] as const,
  ),
]

async function whilePolluted<T>(name: string, value: unknown, run: () => Promise<T>): Promise<T> {
  const prototype = Object.prototype as Record<string, unknown>
  prototype[name] = value
  try {
    return await run()
  } finally {
    delete prototype[name]
  }
}

describe.each(TWINS)('the %s', (_, twin) => {
  it.each(POLLUTION)('reads no "%s" from Object.prototype', async (name, values) => {
    for (const value of values)
      for (const { jwk, signed, signature } of signers) {
        const [good, forged] = [signature, signature.with(-2 + signature.length, (signature.at(-2) ?? 0) ^ 1)]
        const key = keyOf(jwk)
        const outcomes = await whilePolluted(name, value, async () => [
          await outcomeOf(twin, key, tokenOf(signed, good)),
          await outcomeOf(twin, key, tokenOf(signed, forged)),
        ])
        // Node copies a key into an object of its own, and finds a "d" there: then it accepts no key.
        const isUnusable = name === 'd' && outcomes[0] === 'unusable'
        expect([jwk.alg, ...outcomes]).toEqual([
          jwk.alg,
          ...(isUnusable ? ['unusable', 'unusable'] : [true, false]),
        ])
      }
  })

  it('rejects an HMAC with a secret from Object.prototype in place of a signature', async () => {
    for (const { jwk, signed } of signers.filter((signer) => !signer.alg.startsWith('HS')))
      for (const hash of ['sha256', 'sha384', 'sha512']) {
        const forged = createHmac(hash, 'x').update(signed).digest()
        const outcome = await whilePolluted('secret', 'x', () =>
          outcomeOf(twin, keyOf(jwk), tokenOf(signed, forged)),
        )
        expect([jwk.alg, outcome]).toEqual([jwk.alg, false])
      }
  })
})
