/** Arbitrary key sets, given inline or fetched: what passes is signed by a key of the set that may sign it (RFC 7517 §4 and §5). */

import type { JsonWebKey } from 'node:crypto'
import { createGate, type Gate } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { faultOfToken, type TrustedKey } from './oracle.ts'
import { AGAIN, fuzz, scaled } from './run.ts'
import { createSigner, publicKeyOf } from './signer.ts'

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'Ed25519']
const signers = ALGORITHMS.map((alg) => createSigner(alg, 'one'))
const secret = createSigner('HS256', 'one')

const tokens = [...signers, secret].flatMap(({ alg, token }) =>
  [{ kid: 'one' }, { kid: 'two' }, {}].map((named) => token({ typ: 'at+jwt', alg, ...named }, goodClaims())),
)

const MEMBERS = [
  'kty',
  'crv',
  'x',
  'y',
  'n',
  'e',
  'k',
  'd',
  'p',
  'alg',
  'use',
  'key_ops',
  'kid',
  'x5c',
  '__proto__',
  'priv',
]
const VALUES = [
  ...[
    undefined,
    null,
    '',
    'AA',
    'AQ',
    'AQAB',
    'Ag',
    'A',
    'a+b/=',
    7,
    [],
    {},
    true,
    'one',
    'two',
    '__proto__',
  ],
  ...[
    'RSA',
    'EC',
    'OKP',
    'oct',
    'AKP',
    'P-256',
    'P-384',
    'secp256k1',
    'Ed25519',
    'X25519',
    'sig',
    'enc',
    'none',
  ],
  ...[
    'RS256',
    'PS256',
    'PS512',
    'ES256',
    'ES384',
    'EdDSA',
    'HS256',
    ['verify'],
    ['sign'],
    'verify',
    'A'.repeat(2_000),
  ],
  ...signers.flatMap(({ jwk }) => [jwk.x, jwk.n]),
]

/** A key of ours with some members set, removed, or with another letter in them. */
const jwk = fc
  .tuple(
    fc.constantFrom(...signers.map((signer) => signer.jwk), secret.jwk),
    fc.array(fc.tuple(fc.constantFrom(...MEMBERS), fc.constantFrom(...VALUES)), { maxLength: 2 }),
    fc.option(fc.tuple(fc.constantFrom('x', 'y', 'n'), fc.nat(40), fc.constantFrom('A', 'B', '_', '=', ' '))),
  )
  .map(([base, changes, letter]) => {
    const made = new Map<string, unknown>(Object.entries(base))
    for (const [name, value] of changes) made.set(name, value)
    const text = letter === null ? undefined : made.get(letter[0])
    if (letter !== null && typeof text === 'string')
      made.set(letter[0], text.slice(0, letter[1]) + letter[2] + text.slice(letter[1] + 1))
    return Object.fromEntries([...made].filter(([, value]) => value !== undefined))
  })
const item = fc.oneof({ weight: 6, arbitrary: jwk }, fc.jsonValue({ maxDepth: 2 }))
const keySets = fc.array(item, { maxLength: 6 })

/** The keys of a set that node:crypto takes as public keys to sign with, whatever our own rules are: by name and algorithm. */
function trustedOf(keys: readonly unknown[]): readonly TrustedKey[] {
  return keys.flatMap((value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
    const isSet = ([, member]: [string, unknown]) =>
      member !== null && member !== '' && !(Array.isArray(member) && member.length === 0)
    const key: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(value).filter(isSet))
    if (key.use !== undefined && key.use !== 'sig') return []
    if (key.key_ops !== undefined && !(Array.isArray(key.key_ops) && key.key_ops.includes('verify')))
      return []
    if (key.kty === 'oct' || 'd' in key || 'p' in key || 'priv' in key) return []
    try {
      const imported = publicKeyOf(key as JsonWebKey)
      return algorithmsOf(key).map((alg) => ({ alg, kid: key.kid as string | undefined, key: imported }))
    } catch {
      return []
    }
  })
}

/** One algorithm for a key: its own, or the one of its type; RS256 is the first RSA algorithm that is allowed. */
function algorithmsOf({ alg, kty, crv }: Readonly<Record<string, unknown>>): readonly string[] {
  const own = { 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512'], Ed25519: ['Ed25519', 'EdDSA'] }
  const fitting = kty === 'RSA' ? ['RS256', 'PS256', 'PS512'] : (own[String(crv) as keyof typeof own] ?? [])
  if (alg !== undefined) return fitting.filter((name) => name === alg)
  return kty === 'RSA' ? ['RS256'] : fitting
}

/** A small cache, because each gate makes one of its own. */
const settings = { issuer: ISSUER, audience: AUDIENCE, cache: { max: 64 }, now: () => NOW * 1000 }

interface Tally {
  passed: number
  refused: number
  unavailable: number
}

/** Asks a gate about every token; throws where a token passes that no key of the set has signed, or an answer is none of 200, 401 and 503. */
async function ask(gate: Gate, keys: readonly unknown[], tally: Tally): Promise<void> {
  const trusted = trustedOf(keys)
  for (const token of tokens) {
    const decision = await gate.authenticate({ header: () => `Bearer ${token}` })
    if (decision.ok) {
      tally.passed += 1
      const fault = faultOfToken(token, trusted)
      if (fault !== undefined) throw new Error(`passed, but: ${fault}`)
      continue
    }
    // A random set may hold no usable key at all (503), or none for this token (401).
    if (![401, 503].includes(decision.status)) throw new Error(`answered ${decision.status}`)
    tally[decision.status === 503 ? 'unavailable' : 'refused'] += 1
  }
}

describe('a key set', () => {
  it('accepts a token of one of its keys if the fetched set contains anything else (E02, C17)', async () => {
    const tally = { passed: 0, refused: 0, unavailable: 0 }
    const property = fc.asyncProperty(keySets, async (keys) => {
      const fetch = async () => Response.json({ keys })
      await ask(createGate({ ...settings, jwksUri: 'https://id.example.com/jwks', fetch }), keys, tally)
    })
    expect(await fuzz('E02 fetched', property, 3_000)).toBeGreaterThanOrEqual(scaled(3_000))
    expect(Math.min(...Object.values(tally)), AGAIN).toBeGreaterThanOrEqual(scaled(500))
  })

  it('uses the good keys of a set beside any other entries, and in any order (C18)', async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...signers),
      keySets,
      fc.nat(6),
      async (signer, others, at) => {
        // Nobody else goes by this name, so that no other key is tried for the token.
        const token = signer.token({ typ: 'at+jwt', alg: signer.alg, kid: 'mine' }, goodClaims())
        const keys = others.toSpliced(at, 0, { ...signer.jwk, kid: 'mine' })
        const fetch = async () => Response.json({ keys })
        const gate = createGate({ ...settings, jwksUri: 'https://id.example.com/jwks', fetch })
        const decision = await gate.authenticate({ header: () => `Bearer ${token}` })
        return decision.ok
      },
    )
    expect(await fuzz('C18', property, 2_000)).toBeGreaterThanOrEqual(scaled(2_000))
  })

  it('a configured set is rejected at creation, or accepts a token of one of its keys (E02, C17)', async () => {
    const tally = { passed: 0, refused: 0, unavailable: 0 }
    let refusedSets = 0
    const property = fc.asyncProperty(keySets, async (keys) => {
      let gate: Gate
      try {
        gate = createGate({ ...settings, keys: { keys: keys as Record<string, unknown>[] } })
      } catch (error) {
        refusedSets += 1
        if (!(error instanceof TypeError) || !error.message.includes('"keys"')) throw error
        return
      }
      await ask(gate, keys, tally)
    })
    expect(await fuzz('E02 inline', property, 11_000)).toBeGreaterThanOrEqual(scaled(11_000))
    expect(Math.min(tally.passed, refusedSets), AGAIN).toBeGreaterThanOrEqual(scaled(500))
  })

  it('reads a set only from a complete answer with the status 200 (FX05, FX08, FX10, FX15)', async () => {
    const whole = JSON.stringify({ keys: signers.map(({ jwk }) => jwk) })
    const documents = fc.oneof(
      fc.constant(whole),
      fc.nat(whole.length - 1).map((end) => whole.slice(0, end)),
      fc.constantFrom('\uFEFF', 'null', ")]}'", '[', '<').map((before) => before + whole),
      fc.constantFrom('\0', '}', ',', '//').map((behind) => whole + behind),
      fc.json(),
      fc.string(),
      fc.jsonValue().map((keys) => JSON.stringify({ keys })),
    )
    const statuses = fc.oneof(fc.constant(200), fc.integer({ min: 200, max: 599 }))
    let passed = 0
    const property = fc.asyncProperty(documents, statuses, async (text, status) => {
      const fetch = async () => new Response([204, 205, 304].includes(status) ? null : text, { status })
      const gate = createGate({ ...settings, jwksUri: 'https://id.example.com/jwks', fetch })
      const decision = await gate.authenticate({ header: () => `Bearer ${tokens[0]}` })
      if (decision.ok) passed += 1
      return status === 200 && text === whole ? decision.ok : !decision.ok && decision.status === 503
    })
    expect(await fuzz('FX10', property, 4_000)).toBeGreaterThanOrEqual(scaled(4_000))
    expect(passed, AGAIN).toBeGreaterThanOrEqual(scaled(50))
  })
})
