/** Wycheproof's JSON Web Encryption: every one is refused, whether it is sound or not (BI05; C03, E17, E19). */

import { createGate, jwt } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, ISSUER } from '../support/issuer.ts'
import { hasVectors, vectors } from '../support/vectors.ts'

interface Group {
  /** The file of 34 holds signatures too, and JSON serialization as an object. */
  readonly tests: readonly { readonly tcId: number; readonly comment: string; readonly jwe?: unknown }[]
}

/** How many cases there are, and how many of them are in the five parts of the compact form. */
const FILES = [
  { file: 'wycheproof/json_web_encryption_test.json', all: 139, compact: 128 },
  { file: 'wycheproof/json_web_crypto_test.json', all: 34, compact: 23 },
] as const

function isCompact(jwe: string): boolean {
  return jwe.split('.').length === 5 && /^[\w.-]+$/.test(jwe)
}

for (const { file, all, compact } of FILES)
  describe.skipIf(!hasVectors)(`${file} (BI05)`, async () => {
    const key = await createKey()
    const options = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [{ ...key.jwk }] } }
    const verifier = jwt(options)
    const gate = createGate(options)
    const groups: readonly Group[] = hasVectors ? vectors(file).testGroups : []
    const cases = groups
      .flatMap(({ tests }) => tests)
      .filter(({ jwe }) => jwe !== undefined)
      .map(({ tcId, comment, jwe }) => ({
        tcId,
        comment,
        token: typeof jwe === 'string' ? jwe : JSON.stringify(jwe),
      }))

    it(`has ${all} JWE, ${compact} of them compact`, () => {
      expect(cases).toHaveLength(all)
      expect(cases.filter(({ token }) => isCompact(token))).toHaveLength(compact)
    })

    for (const { tcId, comment, token } of cases)
      it(`tcId ${tcId}, ${comment}, is rejected`, async () => {
        const reason = isCompact(token) ? 'encrypted_token' : 'malformed_token'
        expect(await verifier.verify(token)).toEqual({ active: false, reason })
        const decision = await gate.authenticate({ header: () => `Bearer ${token}` })
        expect(decision).toMatchObject({ ok: false, status: token.startsWith('{') ? 400 : 401 })
      })
  })
