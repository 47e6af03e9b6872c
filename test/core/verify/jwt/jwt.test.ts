/** JWT access tokens: what is accepted, and the reason for which anything else is refused (RFC 7515, 7519, 8725, 9068). */

import { createHmac, generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { type Identity, type JwtOptions, jwt, type Verification } from '@bearergate/core'
import { type CryptoKey, exportJWK, importJWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  createKey,
  createKeyPair,
  goodClaims,
  ISSUER,
  NOW,
  type TestKey,
} from '../../../support/issuer.ts'

let key: TestKey
let rsa: TestKey

beforeAll(async () => {
  ;[key, rsa] = await Promise.all([createKey('ES256'), createKey('RS256')])
})

const base64url = (value: string | Uint8Array) => Buffer.from(value).toString('base64url')

function verifier(options: Partial<JwtOptions> = {}) {
  return jwt({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [key.jwk, rsa.jwk] },
    now: () => NOW * 1000,
    ...options,
  } as JwtOptions)
}

async function outcome(token: string, options: Partial<JwtOptions> = {}): Promise<string> {
  const verification = await verifier(options).verify(token)
  return verification.active ? 'active' : verification.reason
}

async function identity(token: string, options: Partial<JwtOptions> = {}): Promise<Identity> {
  const verification: Verification = await verifier(options).verify(token)
  if (!verification.active) throw new Error(verification.reason)
  return verification.identity
}

/** A token with a right signature over whatever bytes are given as header and payload. */
function signedText(header: string, payload: string | Uint8Array): string {
  const key = ecPair.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const input = `${base64url(header)}.${base64url(payload)}`
  return `${input}.${base64url(signBytes('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }))}`
}
const ecPair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const textOptions = { keys: { keys: [{ ...ecPair.publicKey.export({ format: 'jwk' }), kid: 'text' }] } }
const HEADER = '{"alg":"ES256","kid":"text","typ":"at+jwt"}'
const textOutcome = (header: string, payload: string | Uint8Array) =>
  outcome(signedText(header, payload), textOptions)

describe('the text of a token', () => {
  it('rejects every character that is not base64url, in each segment (C01, E18)', async () => {
    const good = await key.sign()
    for (const character of ['=', '+', '/', ' ', '\n', '\t', '?', 'é', '{', '"', '\0'])
      for (const position of [3, good.indexOf('.') + 3, good.lastIndexOf('.') + 3])
        expect(await outcome(good.slice(0, position) + character + good.slice(position))).toBe(
          'malformed_token',
        )
  })

  it('accepts just one of the 64 last characters of each segment (C02, BI04)', async () => {
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const good = await key.sign()
    const ends = [good.indexOf('.') - 1, good.lastIndexOf('.') - 1, good.length - 1]
    for (const end of ends) {
      const spellings = [...characters].map(
        (character) => good.slice(0, end) + character + good.slice(end + 1),
      )
      const outcomes = await Promise.all(spellings.map((spelling) => outcome(spelling)))
      expect(spellings.filter((_, index) => outcomes[index] === 'active')).toEqual([good])
    }
  })

  it('rejects a text that has not three segments (C03, D01)', async () => {
    const [header, payload, signature] = (await key.sign()).split('.')
    for (const token of [
      '',
      '.',
      '..',
      'a',
      'a.b',
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `.${payload}.${signature}`,
      `${header}.${payload}.${signature}.`,
      `${header}.${payload}.${signature}.a`,
      '{"payload":"e30"}',
    ])
      expect(await outcome(token)).toBe('malformed_token')
  })

  it('rejects an encrypted token as encrypted_token, and a malformed one as malformed_token (E07, E17, E19)', async () => {
    expect(await outcome('eyJhbGciOiJkaXIifQ..a.b.c')).toBe('encrypted_token')
    expect(await outcome(await key.sign({}, { enc: 'A256GCM' }))).toBe('encrypted_token')
  })
})

describe('the header', () => {
  it.each([
    ['an array', '[]'],
    ['a string', '"a"'],
    ['a number', '7'],
    ['null', 'null'],
    ['no JSON', '{alg:"ES256"}'],
    ['JSON with a trailing comma', '{"alg":"ES256","kid":"text",}'],
    ['a byte order mark', `\ufeff${HEADER}`],
  ])('rejects %s (C05, C12)', async (_, header) => {
    expect(await textOutcome(header, JSON.stringify(goodClaims()))).toBe('malformed_token')
  })

  it.each([undefined, null, 256, [], '', 'es256', 'ES256 ', 'none', 'NoNe', 'HS256', 'RS1', 'unknown', {}])(
    'rejects %j as alg (C06, D10, E01, E06)',
    async (alg) => {
      const { alg: _, ...others } = JSON.parse(HEADER)
      const header = JSON.stringify(alg === undefined ? others : { ...others, alg })
      expect(await textOutcome(header, JSON.stringify(goodClaims()))).toBe('algorithm_not_allowed')
    },
  )

  it('rejects an alg that is allowed but is not that of the key (E02, C17)', async () => {
    const header = JSON.stringify({ ...JSON.parse(HEADER), alg: 'ES384' })
    expect(await textOutcome(header, JSON.stringify(goodClaims()))).toBe('unknown_key')
  })

  it('rejects a token without signature (D10)', async () => {
    const unsigned = `${base64url('{"alg":"none"}')}.${base64url(JSON.stringify(goodClaims()))}.`
    expect(await outcome(unsigned)).toBe('malformed_token')
    expect(await outcome(`${unsigned}AAAA`)).toBe('algorithm_not_allowed')
  })

  it.each([
    [{ crit: [] }, 'C07'],
    [{ crit: ['b64'], b64: true }, 'C07'],
    [{ crit: ['exp'], exp: 1 }, 'C07'],
    [{ crit: 'exp' }, 'C07'],
    [{ b64: true }, 'C08'],
    [{ b64: false }, 'C08'],
    [{ zip: 'DEF' }, 'E19'],
    [{ cty: 'JWT' }, 'E07'],
    [{ cty: 'application/jwt' }, 'E07'],
  ])('rejects the header %j (%s)', async (members, _id) => {
    const header = JSON.stringify({ ...JSON.parse(HEADER), ...members })
    expect(await textOutcome(header, JSON.stringify(goodClaims()))).toBe('unsupported_header')
  })

  it('verifies with the configured keys only, even if the header contains another key (C09, E14)', async () => {
    const attacker = await createKey('ES256', 'mallory')
    for (const member of [
      { jwk: attacker.jwk },
      { jku: 'https://evil.example.com' },
      { x5u: 'https://evil.example.com' },
      { x5c: ['AAAA'] },
    ]) {
      expect(await outcome(await attacker.sign({}, member))).toBe('unknown_key')
      expect(await outcome(await key.sign({}, member))).toBe('active')
    }
  })

  it.each([1, {}, [], true, null, '', 'k'.repeat(257), '__proto__', 'constructor'])(
    'finds no key for the kid %j (C10, E14)',
    async (kid) => {
      const header = JSON.stringify({ ...JSON.parse(HEADER), kid })
      expect(await textOutcome(header, JSON.stringify(goodClaims()))).toBe('unknown_key')
    },
  )

  it('rejects a kid of more than 256 characters, even if a key has it (C10)', async () => {
    const named = async (length: number) => {
      const long = await createKey('ES256', 'k'.repeat(length))
      return outcome(await long.sign(), { keys: { keys: [long.jwk] } })
    }
    expect([await named(256), await named(257)]).toEqual(['active', 'unknown_key'])
  })

  it('compares kid code point by code point (C10, C11)', async () => {
    const composed = await createKey('ES256', '\u00e9')
    const keys = { keys: [composed.jwk] }
    expect(await outcome(await composed.sign(), { keys })).toBe('active')
    expect(await outcome(await composed.sign({}, { kid: 'e\u0301' }), { keys })).toBe('unknown_key')
    expect(await outcome(await key.sign({}, { kid: 'es256-1' }))).toBe('unknown_key')
  })

  it('verifies a token without kid by the keys that fit', async () => {
    expect(await outcome(await key.sign({}, { kid: undefined }))).toBe('active')
    const others = await Promise.all(['a', 'b', 'c', 'd'].map((kid) => createKey('ES256', kid)))
    const jwks = (...list: TestKey[]) => ({ keys: { keys: list.map(({ jwk }) => jwk) } })
    const unnamed = await key.sign({}, { kid: undefined })
    expect(await outcome(unnamed, jwks(...others.slice(0, 3), key))).toBe('active')
    expect(await outcome(unnamed, jwks(...others, key))).toBe('active')
    expect(await outcome(unnamed, jwks(...others))).toBe('invalid_signature')
  })
})

describe('the kind of token', () => {
  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt'])(
    'accepts typ %s in both profiles (D11, F01, E15)',
    async (typ) => {
      expect(await outcome(await key.sign({}, { typ }))).toBe('active')
      expect(await outcome(await key.sign({}, { typ }), { profile: 'rfc9068' })).toBe('active')
    },
  )

  it.each(['JWT', 'jwt', 'application/jwt', undefined])(
    'accepts typ %s in the generic profile only (F01)',
    async (typ) => {
      expect(await outcome(await key.sign({}, { typ }))).toBe('active')
      expect(await outcome(await key.sign({}, { typ }), { profile: 'rfc9068' })).toBe('not_an_access_token')
    },
  )

  it.each([
    'dpop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'token-introspection+jwt',
    'vc+sd-jwt',
    'statuslist+jwt',
    'JOSE',
    'x/at+jwt',
    'application/x/at+jwt',
    '',
    7,
    null,
    {},
  ])('rejects typ %j in both profiles (E16)', async (typ) => {
    for (const profile of ['generic', 'rfc9068'] as const)
      expect(await outcome(await key.sign({}, { typ }), { profile })).toBe('not_an_access_token')
  })

  it.each([
    { nonce: 'n' },
    { at_hash: 'h' },
    { c_hash: 'h' },
    { token_use: 'id' },
    { token_use: 'refresh' },
    { typ: 'ID' },
    { typ: 'Refresh' },
    { typ: 'Offline' },
    { typ: 'Logout' },
    { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    { token_introspection: { active: true } },
  ])('rejects a JWT without an own type that has %j (E16, F09)', async (claims) => {
    for (const typ of ['JWT', undefined])
      expect(await outcome(await key.sign(claims, { typ }))).toBe('not_an_access_token')
  })
})

it('ignores a token_use or typ that is no text', async () => {
  for (const use of [['id'], { id: 1 }, 7, null, true])
    expect(await outcome(await key.sign({ token_use: use, typ: use }, { typ: 'JWT' }))).toBe('active')
})

describe('the claims', () => {
  it.each([
    '[]',
    '"a"',
    '7',
    'null',
    '{',
    '{"a":1}x',
    '{"exp":NaN}',
    '{"exp":Infinity}',
    "{'a':1}",
    '{"a":01}',
    '\ufeff{}',
    '{"a":"\u0001"}',
  ])('rejects the payload %s (D01, C12, E10)', async (payload) => {
    expect(await textOutcome(HEADER, payload)).toBe('malformed_token')
  })

  it('rejects malformed UTF-8 (E10)', async () => {
    for (const bytes of [
      [0xff],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0xe2, 0x82],
    ])
      expect(
        await textOutcome(HEADER, Buffer.from([...Buffer.from('{"a":"'), ...bytes, ...Buffer.from('"}')])),
      ).toBe('malformed_token')
  })

  it('uses the last of members with the same name (RFC 7519 §4)', async () => {
    const claims = JSON.stringify(goodClaims()).replace('"sub":"emma"', '"sub":"leo","sub":"emma"')
    const verification = await verifier(textOptions).verify(signedText(HEADER, claims))
    expect(verification).toMatchObject({ active: true, identity: { subject: 'emma' } })
  })

  it('rejects claims that are nested deeper than 32 levels', async () => {
    const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
    expect(await outcome(await key.sign({ deep: nested(31) }))).toBe('active')
    for (const levels of [32, 33, 1000])
      expect(await outcome(await key.sign({ deep: nested(levels) }))).toBe('malformed_token')
  })

  it.each(['iss', 'exp'])('rejects a token without %s in both profiles (F06)', async (name) => {
    for (const profile of ['generic', 'rfc9068'] as const)
      expect(await outcome(await key.sign({ [name]: undefined }), { profile })).toBe('missing_claim')
  })

  it.each(['aud', 'sub', 'client_id', 'iat', 'jti'])(
    'rejects a token without %s in the profile rfc9068 (F06)',
    async (name) => {
      expect(await outcome(await key.sign({ [name]: undefined }), { profile: 'rfc9068' })).toBe(
        'missing_claim',
      )
    },
  )

  it.each([
    `${ISSUER}/`,
    ISSUER.toUpperCase(),
    `${ISSUER}:443`,
    'http://id.example.com',
    'https://evil.example.com',
    '',
    7,
    null,
    [ISSUER],
    { iss: ISSUER },
  ])('rejects %j as iss (D09, F02)', async (iss) => {
    expect(await outcome(await key.sign({ iss }))).toBe('issuer_mismatch')
  })

  it('explains to the operator in which detail iss differs from the issuer', async () => {
    const detail = async (iss: string) => {
      const verification = await verifier().verify(await key.sign({ iss }))
      return verification.active ? undefined : verification.detail
    }
    expect(await detail(`${ISSUER}/`)).toBe(
      `iss differs by a trailing slash only: it is "${ISSUER}/", expected "${ISSUER}"`,
    )
    expect(await detail('https://ID.example.com')).toMatch(
      /^iss differs in upper and lower case only: it is /,
    )
    expect(await detail('http://id.example.com')).toMatch(/^iss differs in http and https only: it is /)
    expect(await detail('https://evil.example.com')).toBe(
      `iss is "https://evil.example.com", expected "${ISSUER}"`,
    )
  })

  it.each([[AUDIENCE], [[AUDIENCE]], [['other', AUDIENCE]]])(
    'accepts %j as aud (D08, E13, M01)',
    async (aud) => {
      expect(await outcome(await key.sign({ aud }))).toBe('active')
    },
  )

  it.each([
    ['other', 'audience_mismatch'],
    [`${AUDIENCE}/`, 'audience_mismatch'],
    [AUDIENCE.slice(0, -1), 'audience_mismatch'],
    [['other'], 'audience_mismatch'],
    [['', AUDIENCE.toUpperCase()], 'audience_mismatch'],
    [undefined, 'missing_claim'],
    [[], 'invalid_claim'],
    [7, 'invalid_claim'],
    [null, 'invalid_claim'],
    [{ 0: AUDIENCE }, 'invalid_claim'],
    [[[AUDIENCE]], 'invalid_claim'],
    [[AUDIENCE, 7], 'invalid_claim'],
  ])('rejects %j as aud: %s (D08, F03)', async (aud, reason) => {
    expect(await outcome(await key.sign({ aud }))).toBe(reason)
  })

  it('does not check aud only if audience is null, and accepts one of several if it is a list (D08)', async () => {
    expect(await outcome(await key.sign({ aud: undefined }), { audience: null })).toBe('active')
    expect(await outcome(await key.sign({ aud: 'other' }), { audience: null })).toBe('active')
    expect(await outcome(await key.sign({ aud: 'two' }), { audience: ['one', 'two'] })).toBe('active')
  })

  const NOT_DATES = [null, '', '123', true, [], {}, -1, 253_402_300_800, 1e15, 1e308, '1767225600']
  it.each(['exp', 'nbf', 'iat'])(
    'rejects as %s a value that is no NumericDate (D03, D04, D05)',
    async (name) => {
      for (const value of NOT_DATES)
        expect(await outcome(await key.sign({ [name]: value }))).toBe('invalid_claim')
      for (const text of ['1e999', '-1e999', '1e400'])
        expect(
          await textOutcome(
            HEADER,
            JSON.stringify({ ...goodClaims(), [name]: 0 }).replace(`"${name}":0`, `"${name}":${text}`),
          ),
        ).toBe('invalid_claim')
    },
  )

  it.each([
    ['exp', NOW - 30, 'expired'],
    ['exp', NOW - 29.5, 'active'],
    ['exp', NOW + 0.5, 'active'],
    ['exp', 0, 'expired'],
    ['nbf', NOW + 30.5, 'not_yet_valid'],
    ['nbf', NOW + 30, 'active'],
    ['iat', NOW + 30.5, 'issued_in_future'],
    ['iat', NOW + 30, 'active'],
  ])(
    'compares %s %d with a tolerance of 30 s: %s (D03, D05, D06, D07, F05)',
    async (name, value, expected) => {
      expect(await outcome(await key.sign({ [name]: value }))).toBe(expected)
    },
  )

  it('rejects a token at its exp if the tolerance is 0 (D03)', async () => {
    expect(await outcome(await key.sign({ exp: NOW }), { clockTolerance: 0 })).toBe('expired')
    expect(await outcome(await key.sign({ exp: NOW + 1 }), { clockTolerance: 0 })).toBe('active')
  })

  it('rejects a token that is older than maxTokenAge, or has no iat (D06)', async () => {
    const options = { maxTokenAge: 60, clockTolerance: 0 }
    expect(await outcome(await key.sign({ iat: NOW - 59 }), options)).toBe('active')
    expect(await outcome(await key.sign({ iat: NOW - 60 }), options)).toBe('max_age_exceeded')
    expect(await outcome(await key.sign({ iat: undefined }), options)).toBe('missing_claim')
  })

  it('rejects a cnf that is no object', async () => {
    for (const value of [null, '', 7, true, [], 'key'])
      expect(await outcome(await key.sign({ cnf: value }))).toBe('invalid_claim')
  })

  it('splits scope on single spaces into exact tokens (F08)', async () => {
    expect((await identity(await key.sign({ scope: 'read write:all' }))).scopes).toEqual([
      'read',
      'write:all',
    ])
    expect((await identity(await key.sign({ scope: '' }))).scopes).toEqual([])
    expect((await identity(await key.sign({ scope: undefined, scp: ['a', 'b'] }))).scopes).toEqual(['a', 'b'])
  })

  it('reads an array of scopes in the generic profile, and rejects it in rfc9068 (F08)', async () => {
    const token = await key.sign({ scope: ['read', 'write'] })
    expect((await identity(token)).scopes).toEqual(['read', 'write'])
    expect(await outcome(token, { profile: 'rfc9068' })).toBe('invalid_claim')
    for (const scope of [7, null, {}, true, ['read', 7], [['read']]]) {
      expect((await identity(await key.sign({ scope }))).scopes).toEqual([])
      expect(await outcome(await key.sign({ scope }), { profile: 'rfc9068' })).toBe('invalid_claim')
    }
  })
})

describe('the signature', () => {
  it('rejects a token that was changed after it was signed (F04)', async () => {
    const [header, , signature] = (await key.sign()).split('.')
    const payload = base64url(JSON.stringify({ ...goodClaims(), sub: 'mallory' }))
    expect(await outcome(`${header}.${payload}.${signature}`)).toBe('invalid_signature')
  })

  it('rejects a signature by an unknown key under a known kid (F04, E11)', async () => {
    const forger = await createKey('ES256', key.kid)
    expect(await outcome(await forger.sign())).toBe('invalid_signature')
  })

  it('rejects a signature in DER form, short, long or of zeros (C14)', async () => {
    const input = `${base64url(HEADER)}.${base64url(JSON.stringify(goodClaims()))}`
    const der = signBytes('sha256', Buffer.from(input), ecPair.privateKey)
    for (const signature of [
      der,
      new Uint8Array(64),
      new Uint8Array(63),
      new Uint8Array(65),
      new Uint8Array(1),
    ])
      expect(await outcome(`${input}.${base64url(signature)}`, textOptions)).toBe('invalid_signature')
  })

  it('rejects HMAC with a public key as its secret (E01)', async () => {
    const pem = ecPair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const input = `${base64url(HEADER.replace('ES256', 'HS256'))}.${base64url(JSON.stringify(goodClaims()))}`
    const mac = createHmac('sha256', pem).update(input).digest()
    expect(await outcome(`${input}.${base64url(mac)}`, textOptions)).toBe('algorithm_not_allowed')
  })

  it('uses an RSA key without alg with one algorithm only: the first RSA one that is allowed (E04)', async () => {
    const { privateKey } = await rsaPair()
    const pss = await new SignJWT(goodClaims())
      .setProtectedHeader({ alg: 'PS256', kid: 'r' })
      .sign(privateKey.ps)
    const pkcs = await new SignJWT(goodClaims())
      .setProtectedHeader({ alg: 'RS256', kid: 'r' })
      .sign(privateKey.rs)
    const keys = { keys: [{ ...(await rsaPair()).jwk, kid: 'r' }] }
    expect(await outcome(pkcs, { keys, algorithms: ['RS256', 'PS256'] })).toBe('active')
    expect(await outcome(pss, { keys, algorithms: ['RS256', 'PS256'] })).toBe('unknown_key')
    expect(await outcome(pss, { keys, algorithms: ['PS256', 'RS256'] })).toBe('active')
  })

  it.each([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ])('verifies %s by default', async (alg) => {
    const other = await createKey(alg)
    expect(await outcome(await other.sign(), { keys: { keys: [other.jwk] } })).toBe('active')
  })

  it.each([
    ['HS256', 32],
    ['HS384', 48],
    ['HS512', 64],
  ] as const)(
    'verifies %s with a secret of at least %d bytes, given in writing (C15)',
    async (alg, bytes) => {
      const secret = new Uint8Array(bytes).fill(7)
      const token = await new SignJWT(goodClaims()).setProtectedHeader({ alg }).sign(secret)
      const keys = (k: Uint8Array) => ({ keys: [{ kty: 'oct', k: base64url(k) }] })
      expect(await outcome(token, { keys: keys(secret), algorithms: [alg] })).toBe('active')
      expect(() => verifier({ keys: keys(secret.subarray(1)), algorithms: [alg] })).toThrow(/"keys".*shorter/)
      expect(() => verifier({ keys: keys(secret) })).toThrow(TypeError)
    },
  )
})

let pair: Promise<{ jwk: Record<string, unknown>; privateKey: Record<'ps' | 'rs', CryptoKey> }> | undefined
function rsaPair() {
  pair ??= (async () => {
    const { publicKey, privateKey } = await createKeyPair('RS256')
    const secret = await exportJWK(privateKey)
    const { kty, n, e } = await exportJWK(publicKey)
    return {
      jwk: { kty, n, e },
      privateKey: {
        ps: (await importJWK(secret, 'PS256')) as CryptoKey,
        rs: (await importJWK(secret, 'RS256')) as CryptoKey,
      },
    }
  })()
  return pair
}

describe('the identity', () => {
  it('carries what the claims say, deeply frozen, and no token', async () => {
    const token = await key.sign({
      roles: ['admin'],
      act: { sub: 'service' },
      azp: 'other',
      extra: { list: [{ a: 1 }] },
    })
    const found = await identity(token)
    expect(found).toMatchObject({
      kind: 'jwt',
      subject: 'emma',
      issuer: ISSUER,
      clientId: 'web',
      audience: [AUDIENCE],
      scopes: ['read', 'write'],
      roles: ['admin'],
      expiresAt: NOW + 600,
      issuedAt: NOW - 10,
      tokenId: 'token-1',
      actor: { sub: 'service' },
      confirmation: undefined,
    })
    expect(found.claims.azp).toBe('other')
    const parts = [
      found,
      found.claims,
      found.scopes,
      found.claims.extra,
      (found.claims.extra as { list: object[] }).list[0],
    ]
    for (const part of parts) expect(Object.isFrozen(part)).toBe(true)
    for (const part of token.split('.')) expect(JSON.stringify(found)).not.toContain(part)
  })

  it('keeps a claim that is called __proto__ an ordinary claim', async () => {
    const payload = JSON.stringify(goodClaims()).replace('{', '{"__proto__":{"admin":true},"constructor":1,')
    const verification = await verifier(textOptions).verify(signedText(HEADER, payload))
    if (!verification.active) throw new Error(verification.reason)
    expect((verification.identity.claims as { admin?: unknown }).admin).toBeUndefined()
    expect(Object.hasOwn(verification.identity.claims, '__proto__')).toBe(true)
  })
})

describe('jwt, at creation', () => {
  const good: JwtOptions = { issuer: ISSUER, audience: AUDIENCE }
  it.each([
    ['issuer', { issuer: undefined }],
    ['issuer', { issuer: '' }],
    ['issuer', { issuer: 'id.example.com' }],
    ['issuer', { issuer: 'http://id.example.com' }],
    ['issuer', { issuer: 'https://user:pass@id.example.com' }],
    ['issuer', { issuer: 'https://id.example.com#a' }],
    ['issuer', { issuer: 'https://id.example.com?a' }],
    ['issuer', { issuer: 'ftp://id.example.com' }],
    ['issuer', { issuer: ['https://id.example.com'] }],
    ['audience', { audience: undefined }],
    ['audience', { audience: '' }],
    ['audience', { audience: [] }],
    ['audience', { audience: [''] }],
    ['audience', { audience: /a/ }],
    ['audience', { audience: [[AUDIENCE]] }],
    ['jwksUri', { jwksUri: 'http://id.example.com/keys' }],
    ['jwksUri', { jwksUri: 'file:///keys' }],
    ['jwksUri', { jwksUri: '/keys' }],
    ['jwksUri', { jwksUri: '' }],
    ['keys', { keys: { keys: [] } }],
    ['keys', { keys: {} }],
    ['keys', { keys: null }],
    ['keys', { keys: { keys: [{ kty: 'RSA' }] } }],
    ['keys', { keys: { keys: [null] } }],
    ['keys', { keys: { keys: [{}] }, jwksUri: 'https://id.example.com/keys' }],
    [
      '"discovery: true" cannot be combined with "jwksUri"',
      { discovery: true, jwksUri: 'https://id.example.com/keys' },
    ],
    ['discovery', { discovery: 'yes' }],
    ['"discovery: false"', { discovery: false }],
    ['algorithms', { algorithms: [] }],
    ['algorithms', { algorithms: 'RS256' }],
    ['algorithms', { algorithms: ['none'] }],
    ['algorithms', { algorithms: ['HS256'] }],
    ['algorithms', { algorithms: ['RS256', 'rs512'] }],
    ['profile', { profile: 'strict' }],
    ['clockTolerance', { clockTolerance: -1 }],
    ['clockTolerance', { clockTolerance: 301 }],
    ['clockTolerance', { clockTolerance: Number.NaN }],
    ['clockTolerance', { clockTolerance: Number.POSITIVE_INFINITY }],
    ['clockTolerance', { clockTolerance: '5' }],
    ['maxTokenAge', { maxTokenAge: 0 }],
    ['cacheMaxAge', { cacheMaxAge: 59 }],
    ['staleIfError', { staleIfError: 59 }],
    ['staleIfError', { cacheMaxAge: 600, staleIfError: 599 }],
    ['cooldown', { cooldown: 0 }],
    ['timeout', { timeout: 61 }],
    ['max', { cache: { max: 0 } }],
    ['max', { cache: { max: 1.5 } }],
    ['ttl', { cache: { ttl: 0 } }],
    ['cache', { cache: true }],
    ['negativeTtl', { cache: { negativeTtl: 5 } }],
    ['now', { now: 5 }],
    ['fetch', { fetch: 'https' }],
    ['jwksURI', { jwksURI: 'https://id.example.com/keys' }],
  ])('names "%s" in a TypeError for %j (D07, A15, BI20)', (name, options) => {
    const create = () => jwt({ ...good, ...options } as never)
    expect(create).toThrow(TypeError)
    expect(create).toThrow(name.startsWith('"') ? name : `"${name}"`)
  })

  it('accepts a configured set that also contains keys for encryption, and not one with those alone (C17)', () => {
    const encryption = { kty: 'RSA', use: 'enc', alg: 'RSA-OAEP', n: 'AQAB', e: 'AQAB' }
    const setup = { issuer: ISSUER, audience: AUDIENCE }
    expect(jwt({ ...setup, keys: { keys: [encryption, key.jwk as never] } }).describe?.()).toMatchObject({
      keySet: { keys: [{ kid: key.jwk.kid }] },
    })
    expect(() => jwt({ ...setup, keys: { keys: [encryption] } })).toThrow('"keys" has no key for signatures')
  })

  it.each([
    { ...good, issuer: 'http://localhost:8080/realm' },
    { ...good, issuer: 'http://127.0.0.1:1' },
    { ...good, issuer: 'http://[::1]:1' },
  ])('allows plain http on loopback: %j (A15)', (options) => {
    expect(jwt(options)).toHaveProperty('verify')
  })
})
