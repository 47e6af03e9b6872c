/** A token that is bound to a key is no bearer token, whatever verifier read it (RFC 7800, RFC 9449 §7.2). */

import {
  createGate,
  type Identity,
  introspection,
  opaque,
  staticTokens,
  type TokenVerifier,
} from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { requestWith } from '../../support/forge.ts'

const TOKEN = 'a-token-of-the-test-with-enough-characters'
const CNF = { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' }

const outcome = async (verifier: TokenVerifier<Identity<unknown>>) => {
  const decision = await createGate({ verifier }).authenticate(requestWith(TOKEN))
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

function own(kind: Identity['kind'], claims: object) {
  const identity = { kind, subject: 'emma', audience: [], scopes: [], roles: [], claims }
  return { verify: () => ({ active: true, identity }) } as never
}

describe('a token whose claims have a "cnf"', () => {
  it.each(['jwt', 'introspection', 'opaque'] as const)(
    'is rejected if a verifier of the application returns them as %s (K15)',
    async (kind) => {
      expect(await outcome(own(kind, { sub: 'emma', cnf: CNF }))).toBe('401 missing_proof')
    },
  )

  it.each([{}, 'key', '', false])('is rejected in any form: %j (K15)', async (cnf) => {
    expect(await outcome(own('jwt', { cnf }))).toBe('401 missing_proof')
  })

  it('is rejected if a lookup or a list of tokens returns them (K15)', async () => {
    const record = { subject: 'emma', claims: { cnf: CNF } }
    expect(await outcome(opaque({ lookup: () => record }))).toBe('401 missing_proof')
    expect(await outcome(staticTokens([{ token: TOKEN, ...record }]))).toBe('401 missing_proof')
  })

  it('is rejected if only a schema returns one (K15)', async () => {
    const claims = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: { cnf: CNF } }) },
    } as const
    const verifier = introspection({
      endpoint: 'https://id.example.com/introspect',
      clientId: 'api',
      clientSecret: 'secret',
      audience: null,
      claims,
      fetch: async () => Response.json({ active: true }),
    })
    expect(await outcome(verifier)).toBe('401 missing_proof')
  })
})

describe('a token whose claims have no "cnf"', () => {
  it.each([{}, { cnf: null }, { cnf: undefined }, { confirmation: CNF }])(
    'is accepted: %j',
    async (claims) => {
      expect(await outcome(own('jwt', claims))).toBe('ok')
    },
  )

  it('is accepted if only Object.prototype has one', async () => {
    const prototype = Object.prototype as unknown as Record<string, unknown>
    prototype.cnf = CNF
    try {
      expect(await outcome(own('jwt', { sub: 'emma' }))).toBe('ok')
    } finally {
      delete prototype.cnf
    }
  })
})
