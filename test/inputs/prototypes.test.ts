/** BI15: what somebody has set on `Object.prototype` changes no decision. */

import { createGate, type Gate, hashToken, opaque } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { claimsText, createForge, FORGED_HEADER, gateOfForge, requestWith } from '../support/forge.ts'
import { AUDIENCE, ISSUER, NOW } from '../support/issuer.ts'
import { sampled } from '../support/sample.ts'
import { listen, type Running } from '../support/server.ts'

const forge = createForge()
const now = () => NOW * 1000

let server: Running
beforeAll(async () => {
  const jwks = JSON.stringify({ keys: [forge.jwk] })
  server = await listen((request, response) => {
    const metadata = JSON.stringify({ issuer: server.origin, jwks_uri: `${server.origin}/jwks` })
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(request.url === '/jwks' ? jwks : metadata)
  })
})
afterAll(() => server.close())

function jwts(issuer: string): Readonly<Record<string, string>> {
  const iss = JSON.stringify(issuer)
  const good = forge.sign(claimsText({ iss }))
  const [header = '', , signature = ''] = good.split('.')
  const other = Buffer.from(claimsText({ iss, sub: '"root"' })).toString('base64url')
  return {
    good,
    'without claims that may be absent': forge.sign(
      `{"iss":${iss},"aud":"${AUDIENCE}","exp":${NOW + 600}}`,
      '{"alg":"ES256"}',
    ),
    expired: forge.sign(claimsText({ iss, exp: '1' })),
    'without claims': forge.sign('{}'),
    'without exp': forge.sign(claimsText({ iss, exp: undefined })),
    'without aud': forge.sign(claimsText({ iss, aud: undefined })),
    'without a header parameter': forge.sign(claimsText({ iss }), '{}'),
    'with alg none': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${other}.AAAA`,
    bound: forge.sign(claimsText({ iss, cnf: '{}' })),
    'of a key of nobody': forge.sign(claimsText({ iss }), FORGED_HEADER.replace('forge', 'none')),
    tampered: `${header}.${other}.${signature}`,
    'that is garbage': 'a.b.c',
  }
}

const OPAQUE = { good: 'good-token', tampered: 'good-tokeN', expired: 'old-token', bound: 'bound-token' }

async function opaqueGate(cache?: { ttl: number; negativeTtl: number }): Promise<Gate> {
  const rows = new Map([
    [await hashToken(OPAQUE.good), { subject: 'emma', expiresAt: NOW + 600 }],
    [await hashToken(OPAQUE.expired), { subject: 'emma', expiresAt: NOW - 600 }],
    [await hashToken(OPAQUE.bound), { subject: 'emma', confirmation: { jkt: 'x' } }],
  ])
  const lookup = (_token: string, hash: string) => rows.get(hash) ?? null
  return createGate({ verifier: opaque({ lookup, now, ...(cache === undefined ? {} : { cache }) }) })
}

/** Every way to make a gate, and the tokens that are shown to it. */
const GATES: Readonly<
  Record<string, () => readonly [() => Gate | Promise<Gate>, Readonly<Record<string, string>>]>
> = {
  'inline keys': () => [() => gateOfForge(forge), jwts(ISSUER)],
  'fetched keys': () => [
    () => createGate({ issuer: server.origin, audience: AUDIENCE, now }),
    jwts(server.origin),
  ],
  'opaque tokens': () => [() => opaqueGate(), OPAQUE],
  'cached opaque tokens': () => [() => opaqueGate({ ttl: 60, negativeTtl: 60 }), OPAQUE],
}

const PROMISED = [
  'active',
  'alg',
  'kid',
  'audience',
  'iss',
  'keys',
  'exp',
  'scope',
  'cnf',
  'typ',
  'use',
  'key_ops',
] as const
/** More names of members that the core reads: of claims, headers, keys, metadata, identities and options. */
const MORE = [
  'aud',
  'sub',
  'iat',
  'nbf',
  'scp',
  'roles',
  'azp',
  'act',
  'nonce',
  'token_use',
  'b64',
  'crit',
  'enc',
  'zip',
  'cty',
  'kty',
  'crv',
  'k',
  'issuer',
  'jwks_uri',
  'subject',
  'scopes',
  'expiresAt',
  'confirmation',
  'claims',
  'reason',
  'identity',
  'prefix',
  'requirement',
  'ttl',
  'detail',
] as const

const HOSTILE = ['none', true, ['x']] as const

describe.each(Object.entries(GATES))('a gate with %s', (_name, prepare) => {
  const rows = [
    ...PROMISED.flatMap((name) => HOSTILE.map((value) => [name, value] as const)),
    ...MORE.map((name) => [name, ['x']] as const),
  ]

  it.each(sampled(rows, 12))(
    'returns the same decision with %s on Object.prototype, with the value %j (BI15)',
    async (name, value) => {
      const [create, tokens] = prepare()
      const clean = await decisions(await create(), tokens)
      expect(clean.good).toContain('"ok":true')
      expect(clean.tampered).toContain('"ok":false')

      const before = await create()
      const polluted = await whilePolluted(name, value, async () => [
        await decisions(before, tokens),
        await decisions(await create(), tokens),
      ])
      expect(polluted).toEqual([clean, clean])
    },
  )
})

/** Node looks for it in an object of its own making, and then accepts no key. */
it('accepts no forged JWT with d on Object.prototype (BI15)', async () => {
  const { good = '', tampered = '' } = jwts(ISSUER)
  const gate = gateOfForge(forge)
  const statuses = await whilePolluted('d', ['x'], async () => [
    (await gate.authenticate(requestWith(tampered))).ok,
    typeof (await gate.authenticate(requestWith(good))).ok,
  ])
  expect(statuses).toEqual([false, 'boolean'])
  expect((await gate.authenticate(requestWith(good))).ok).toBe(true)
})

it('has the names and values that are promised (BI15)', () => {
  expect(PROMISED).toHaveLength(12)
  expect(HOSTILE).toHaveLength(3)
})

/** Every decision as JSON: that of own members only, as a client and an application see it. */
async function decisions(
  gate: Gate,
  tokens: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const said: Record<string, string> = {}
  // Twice: the second time some of them come out of a cache.
  for (const time of ['', ' again'])
    for (const [name, token] of Object.entries(tokens))
      said[name + time] = JSON.stringify(await gate.authenticate(requestWith(token)))
  return said
}

async function whilePolluted<T>(name: string, value: unknown, act: () => Promise<T>): Promise<T> {
  const prototype = Object.prototype as Record<string, unknown>
  prototype[name] = value
  try {
    return await act()
  } finally {
    delete prototype[name]
  }
}
