/** Vectors for the text of a token, for its JSON, and for keys of another kind than the header says. */

import { createHmac, type JsonWebKey } from 'node:crypto'
import {
  digestInfo,
  P256,
  p1363,
  pkcs1Block,
  pssBlock,
  publicForms,
  rsaKey,
  rsaPrivate,
  signEcdsa,
  toInteger,
} from './arithmetic.ts'
import { claimsText, collector, encode, KEYS, publicJwk, SETTING, type VectorFile } from './vector.ts'

const secret = toInteger(Buffer.from(String(KEYS.p256.d), 'base64url'))
const key = publicJwk(KEYS.p256)
const HEADER = '{"alg":"ES256","typ":"at+jwt"}'

/** Signs exactly this text, whatever it is: only its spelling can be wrong, never its signature. */
function signed(input: string): string {
  return encode(p1363(signEcdsa(P256, secret, input), 32))
}

function token(header: string | Uint8Array, payload: string | Uint8Array): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signed(input)}`
}

/** Sets a bit that the last character of a segment does not use, so that the segment decodes to the same bytes. */
function withTrailingBit(segment: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  if (segment.length % 4 === 0) throw new RangeError('The segment has no unused bits')
  return segment.slice(0, -1) + alphabet[alphabet.indexOf(segment.at(-1) ?? '') | 1]
}

type Spelling = readonly [id: string, comment: string, spell: (segment: string) => string]

const SPELLINGS: readonly Spelling[] = [
  ['padding', 'padding behind it', (segment) => segment + '='.repeat((4 - (segment.length % 4)) % 4 || 1)],
  ['one-equals', 'one "=" behind it', (segment) => `${segment}=`],
  ['encoded-padding', 'percent-encoded padding behind it', (segment) => `${segment}%3D`],
  ['trailing-bit', 'an unused bit of its last character is set', withTrailingBit],
  ['plus', '"+" in place of "-"', (segment) => segment.replace('-', '+')],
  ['slash', '"/" in place of "_"', (segment) => segment.replace('_', '/')],
  ['space-before', 'a space before it', (segment) => ` ${segment}`],
  ['space-behind', 'a space behind it', (segment) => `${segment} `],
  ['space-inside', 'a space inside it', (segment) => `${segment.slice(0, 8)} ${segment.slice(8)}`],
  ['line-break', 'a line break inside it', (segment) => `${segment.slice(0, 8)}\n${segment.slice(8)}`],
  ['tab', 'a tab inside it', (segment) => `${segment.slice(0, 8)}\t${segment.slice(8)}`],
  ['nul', 'a NUL behind it', (segment) => `${segment}\0`],
  ['cut', 'its last character is missing', (segment) => segment.slice(0, -1)],
  [
    'lone-character',
    'one character more than whole bytes take',
    (segment) => `${segment}${'A'.repeat((5 - (segment.length % 4)) % 4)}`,
  ],
  [
    'not-ascii',
    'a full-width letter inside it',
    (segment) => `${segment.slice(0, 8)}\uff21${segment.slice(9)}`,
  ],
  ['quoted', 'quotes around it', (segment) => `"${segment}"`],
  ['dot-inside', 'a dot inside it', (segment) => `${segment.slice(0, 8)}.${segment.slice(8)}`],
]

export function textVectors(): VectorFile {
  const { add, vectors } = collector('text')
  const check = (id: string, comment: string, text: string, reason?: string) =>
    add(id, comment, { key, algorithms: ['ES256'], token: text, ...(reason !== undefined && { reason }) })

  // Both segments hold "-" and "_" and leave bits of their last character unused.
  const header = encode('{"alg":"ES256","typ":"at+jwt","x":"\u00ff\u00ef~~~???"}')
  const payload = encode(claimsText('text~~~???\u00fb\u00ff\u00bf'))
  const input = `${header}.${payload}`
  const signature = encode(
    p1363(
      signEcdsa(P256, secret, input, (made) => /-.*_|_.*-/.test(encode(p1363(made, 32)))),
      32,
    ),
  )
  for (const segment of [header, payload, signature])
    if (!segment.includes('-') || !segment.includes('_') || segment.length % 4 === 0)
      throw new Error(`The vectors need another segment than ${segment}`)
  check('valid', 'a token as it was issued', `${input}.${signature}`)

  for (const [id, comment, spell] of SPELLINGS) {
    // What is signed is the odd spelling itself, so that nothing but the spelling speaks against the token.
    const oddHeader = `${spell(header)}.${payload}`
    check(`header-${id}`, `the header: ${comment}`, `${oddHeader}.${signed(oddHeader)}`, 'malformed_token')
    const oddPayload = `${header}.${spell(payload)}`
    check(
      `payload-${id}`,
      `the payload: ${comment}`,
      `${oddPayload}.${signed(oddPayload)}`,
      'malformed_token',
    )
    check(`signature-${id}`, `the signature: ${comment}`, `${input}.${spell(signature)}`, 'malformed_token')
  }

  const whole = `${input}.${signature}`
  for (const [id, comment, text, reason = 'malformed_token'] of [
    ['empty', 'nothing', ''],
    ['dots', 'two dots', '..'],
    ['no-header', 'no header', `.${payload}.${signature}`],
    ['no-payload', 'no payload', `${header}..${signature}`],
    ['no-signature', 'no signature', `${input}.`],
    ['one-segment', 'the header alone', header],
    ['two-segments', 'no dot behind the payload', input],
    ['dot-before', 'a dot before it', `.${whole}`],
    ['dot-behind', 'a dot behind it', `${whole}.`],
    ['double-dot', 'two dots before the signature', `${input}..${signature}`],
    ['four-segments', 'a segment more', `${whole}.AAAA`],
    [
      'five-segments',
      'two segments more, as encrypted tokens have them',
      `${whole}.AAAA.AAAA`,
      'encrypted_token',
    ],
    ['doubled', 'the token twice', `${whole}.${whole}`],
    ['comma-list', 'two tokens with a comma between', `${whole},${whole}`],
    [
      'json-form',
      'the flattened JSON serialization',
      JSON.stringify({ protected: header, payload, signature }),
    ],
    ['upper-case', 'in upper case', whole.toUpperCase()],
    ['scheme-inside', 'the scheme is part of the text', `Bearer ${whole}`],
    ['percent-encoded', 'its dots are percent-encoded', whole.replaceAll('.', '%2E')],
    ['full-stop', 'full-width dots', whole.replaceAll('.', '\uff0e')],
  ] as const)
    check(id, comment, text, reason)

  return { about: 'The compact serialization has one spelling (RFC 7515 §2, §7.1, RFC 4648 §3.5)', vectors }
}

/** Puts bytes that are not text between two texts. */
function around(before: string, bytes: readonly number[], behind: string): Buffer {
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(behind)])
}

const NOT_UTF8: readonly (readonly [id: string, comment: string, bytes: readonly number[]])[] = [
  ['lone-continuation', 'a continuation byte alone', [0x80]],
  ['cut-sequence', 'a sequence of two bytes without its second', [0xc3]],
  ['cut-long-sequence', 'a sequence of four bytes without its last', [0xf0, 0x9f, 0x98]],
  ['overlong-slash', 'an overlong slash', [0xc0, 0xaf]],
  ['overlong-nul', 'an overlong NUL, as Java writes it', [0xc0, 0x80]],
  ['overlong-three', 'an overlong sequence of three bytes', [0xe0, 0x80, 0xaf]],
  ['surrogate', 'a surrogate half', [0xed, 0xa0, 0x80]],
  ['surrogate-pair', 'a pair of surrogates, as CESU-8 writes it', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ['above-unicode', 'a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['byte-f5', 'a byte that no sequence begins with', [0xf5, 0x80, 0x80, 0x80]],
  ['byte-ff', 'the byte ff', [0xff]],
  ['latin-1', 'an umlaut in Latin-1', [0xe4]],
]

const NOT_JSON: readonly (readonly [
  id: string,
  comment: string,
  change: (good: string) => string | Buffer,
])[] = [
  ['byte-order-mark', 'a byte order mark', (good) => `\ufeff${good}`],
  ['utf-16', 'in UTF-16', (good) => Buffer.from(good, 'utf16le')],
  ['nul-behind', 'a NUL behind the object', (good) => `${good}\0`],
  ['garbage-behind', 'a letter behind the object', (good) => `${good}x`],
  ['two-objects', 'two objects', (good) => good + good],
  ['trailing-comma', 'a comma before the brace', (good) => good.replace(/}$/, ',}')],
  ['comment', 'a comment', (good) => good.replace('{', '{/**/')],
  ['single-quotes', 'single quotes', (good) => good.replaceAll('"', "'")],
  ['no-quotes', 'names without quotes', (good) => good.replace(/"(\w+)":/g, '$1:')],
  ['not-closed', 'the object is not closed', (good) => good.slice(0, -1)],
  ['control-character', 'a raw line break in a string', (good) => good.replace('{', '{"a":"\n",')],
  ['not-a-number', 'NaN', (good) => good.replace('{', '{"a":NaN,')],
  ['infinity', 'Infinity', (good) => good.replace('{', '{"a":Infinity,')],
  ['leading-zero', 'a number with a leading zero', (good) => good.replace('{', '{"a":01,')],
  ['hexadecimal', 'a hexadecimal number', (good) => good.replace('{', '{"a":0x1,')],
  ['bad-escape', 'an escape that JSON does not have', (good) => good.replace('{', '{"a":"\\x41",')],
  ['array', 'an array with the object', (good) => `[${good}]`],
  ['string', 'a string', (good) => JSON.stringify(good)],
  ['null', 'null', () => 'null'],
  ['number', 'a number', () => '7'],
  ['true', 'true', () => 'true'],
  ['deep', 'an array 100 deep', (good) => good.replace('{', `{"a":${'['.repeat(100)}${']'.repeat(100)},`)],
]

export function jsonVectors(): VectorFile {
  const { add, vectors } = collector('json')
  const check = (id: string, comment: string, text: string, reason?: string) =>
    add(id, comment, { key, algorithms: ['ES256'], token: text, ...(reason !== undefined && { reason }) })
  const claims = claimsText('json')

  check('valid', 'a token as it was issued', token(HEADER, claims))
  check(
    'white-space',
    'white space between the members',
    token(HEADER.replace(',', ' ,\t\r\n'), claims.replaceAll(',', ' ,\n')),
  )
  check(
    'escaped',
    'names and values with escapes',
    token(
      HEADER.replace('alg', '\\u0061lg').replace('ES256', '\\u0045S256'),
      claims.replace('iss', '\\u0069ss'),
    ),
  )
  check(
    'not-ascii',
    'members outside of ASCII',
    token(
      HEADER.replace('{', '{"\u00e4":"\u20ac\u{1f600}",'),
      claims.replace('{', '{"name":"Zo\u00eb \u{1f600}",'),
    ),
  )

  for (const [id, comment, bytes] of NOT_UTF8) {
    const header = around('{"alg":"ES256","typ":"at+jwt","x":"', bytes, '"}')
    check(`header-${id}`, `the header: ${comment}`, token(header, claims), 'malformed_token')
    const payload = around(`${claims.slice(0, -1)},"name":"`, bytes, '"}')
    check(`payload-${id}`, `the payload: ${comment}`, token(HEADER, payload), 'malformed_token')
  }
  for (const [id, comment, change] of NOT_JSON) {
    check(`header-${id}`, `the header: ${comment}`, token(change(HEADER), claims), 'malformed_token')
    check(`payload-${id}`, `the payload: ${comment}`, token(HEADER, change(claims)), 'malformed_token')
  }
  check('header-empty', 'the header is an empty object', token('{}', claims), 'algorithm_not_allowed')
  check('payload-empty', 'the payload is an empty object', token(HEADER, '{}'), 'missing_claim')
  check('payload-no-bytes', 'the payload is empty', token(HEADER, ''), 'malformed_token')

  // RFC 7519 §4: a parser may return the last of two members with one name. That is what this library does everywhere.
  const first = (text: string, member: string) => text.replace('{', `{${member},`)
  const last = (text: string, member: string) => text.replace(/}$/, `,${member}}`)
  for (const [id, comment, text, reason] of [
    ['alg-none-first', 'two "alg", first "none"', token(first(HEADER, '"alg":"none"'), claims), undefined],
    [
      'alg-none-last',
      'two "alg", last "none"',
      token(last(HEADER, '"alg":"none"'), claims),
      'algorithm_not_allowed',
    ],
    [
      'alg-escaped-last',
      'two "alg", the last one with an escape, "none"',
      token(last(HEADER, '"\\u0061lg":"none"'), claims),
      'algorithm_not_allowed',
    ],
    [
      'typ-last',
      'two "typ", last that of a proof',
      token(last(HEADER, '"typ":"dpop+jwt"'), claims),
      'not_an_access_token',
    ],
    ['exp-first', 'two "exp", first in the past', token(HEADER, first(claims, '"exp":1')), undefined],
    ['exp-last', 'two "exp", last in the past', token(HEADER, last(claims, '"exp":1')), 'expired'],
    [
      'aud-first',
      'two "aud", first another',
      token(HEADER, first(claims, '"aud":"https://other.example.com"')),
      undefined,
    ],
    [
      'aud-last',
      'two "aud", last another',
      token(HEADER, last(claims, '"aud":"https://other.example.com"')),
      'audience_mismatch',
    ],
    [
      'iss-last',
      'two "iss", last another',
      token(HEADER, last(claims, '"iss":"https://other.example.com"')),
      'issuer_mismatch',
    ],
    [
      'crit-null-last',
      'two "crit", last null',
      token(last(first(HEADER, '"crit":["x"]'), '"crit":null'), claims),
      'unsupported_header',
    ],
  ] as const)
    check(`twice-${id}`, comment, text, reason)

  return {
    about: 'Header and payload are JSON objects in UTF-8 (RFC 7515 §4, RFC 7519 §7.2, RFC 8725 §3.7)',
    vectors,
  }
}

export function confusionVectors(): VectorFile {
  const { add, vectors } = collector('confusion')
  const claims = claimsText('confusion')
  const inputOf = (members: object) =>
    `${encode(JSON.stringify({ typ: 'at+jwt', ...members }))}.${encode(claims)}`
  const rsa = publicJwk(KEYS.rsa)
  const pair = rsaKey(KEYS.rsa)
  const rsaToken = (alg: string, block: (input: string) => Buffer) => {
    const input = inputOf({ alg })
    return `${input}.${encode(rsaPrivate(pair, block(input)))}`
  }
  const rs256 = rsaToken('RS256', (input) => pkcs1Block(digestInfo('sha256', input), pair.bytes))
  const ps256 = rsaToken('PS256', (input) => pssBlock(input, pair.bytes, { hash: 'sha256', saltLength: 32 }))
  const rows: readonly (readonly [string, string, JsonWebKey, readonly string[], string, string?])[] = [
    ['rs256-key-rs256', 'a key for RS256', { ...rsa, alg: 'RS256' }, ['RS256', 'PS256'], rs256],
    [
      'rs256-key-ps256',
      'the key is for PS256',
      { ...rsa, alg: 'PS256' },
      ['RS256', 'PS256'],
      rs256,
      'unknown_key',
    ],
    [
      'ps256-key-rs256',
      'the key is for RS256, the header says PS256',
      { ...rsa, alg: 'RS256' },
      ['RS256', 'PS256'],
      ps256,
      'unknown_key',
    ],
    [
      'rs256-key-unnamed',
      'an RSA key without "alg" takes the first allowed algorithm',
      rsa,
      ['RS256', 'PS256'],
      rs256,
    ],
    [
      'ps256-key-unnamed',
      'an RSA key without "alg" takes the first allowed algorithm only',
      rsa,
      ['RS256', 'PS256'],
      ps256,
      'unknown_key',
    ],
    [
      'rs256-not-allowed',
      'RS256 is not allowed',
      { ...rsa, alg: 'PS256' },
      ['PS256'],
      rs256,
      'algorithm_not_allowed',
    ],
    [
      'rs256-key-rs512',
      'the key is for RS512',
      { ...rsa, alg: 'RS512' },
      ['RS256', 'RS512'],
      rs256,
      'unknown_key',
    ],
    [
      'rs256-key-oaep',
      'the key is for encryption by its "alg"',
      { ...rsa, alg: 'RSA-OAEP' },
      ['RS256'],
      rs256,
      'unusable_key',
    ],
    [
      'rs256-key-enc',
      'the key is for encryption by its "use"',
      { ...rsa, use: 'enc' },
      ['RS256'],
      rs256,
      'unusable_key',
    ],
    [
      'rs256-key-ops',
      'the key is for signing only by its "key_ops"',
      { ...rsa, key_ops: ['sign'] },
      ['RS256'],
      rs256,
      'unusable_key',
    ],
    ['rs256-key-private', 'the key is a private one', KEYS.rsa, ['RS256'], rs256, 'unusable_key'],
    ['rs256-key-ec', 'the key is of an elliptic curve', key, ['RS256', 'ES256'], rs256, 'unknown_key'],
    ['es256-key-rsa', 'the key is an RSA key', rsa, ['RS256', 'ES256'], token(HEADER, claims), 'unknown_key'],
    [
      'es256-key-ed25519',
      'the key is for Ed25519',
      publicJwk(KEYS.ed25519),
      ['ES256', 'EdDSA'],
      token(HEADER, claims),
      'unknown_key',
    ],
    [
      'es256-key-secret',
      'the key is a secret',
      KEYS.secret32,
      ['ES256', 'HS256'],
      token(HEADER, claims),
      'unknown_key',
    ],
  ]
  for (const [id, comment, jwk, algorithms, text, reason] of rows)
    add(id, comment, { key: jwk, algorithms, token: text, ...(reason !== undefined && { reason }) })

  const forms = { rsa: KEYS.rsa, ec: KEYS.p256, ed25519: KEYS.ed25519 }
  for (const [name, jwk] of Object.entries(forms)) {
    const published = publicForms(jwk)
    const alg = { rsa: 'RS256', ec: 'ES256', ed25519: 'EdDSA' }[name] ?? ''
    for (const [form, bytes] of [
      ['pem', Buffer.from(published.pem)],
      ['trimmed-pem', Buffer.from(published.pem.trim())],
      ['der', published.der],
      ['jwk', Buffer.from(JSON.stringify(published.jwk))],
      ['bytes', Buffer.from(String(published.jwk.n ?? published.jwk.x), 'base64url')],
    ] as const) {
      const input = inputOf({ alg: 'HS256' })
      const text = `${input}.${createHmac('sha256', bytes).update(input).digest('base64url')}`
      const jwkOnly = publicJwk(jwk)
      add(`hs256-${name}-${form}`, `HS256 with the public key as its secret, as ${form}; both are allowed`, {
        key: jwkOnly,
        algorithms: [alg, 'HS256'],
        token: text,
        reason: 'unknown_key',
      })
      add(
        `hs256-${name}-${form}-not-allowed`,
        `HS256 with the public key as its secret, as ${form}; ${alg} is allowed`,
        {
          key: jwkOnly,
          algorithms: [alg],
          token: text,
          reason: 'algorithm_not_allowed',
        },
      )
    }
  }

  for (const alg of [
    'none',
    'None',
    'NONE',
    'nOnE',
    '',
    'es256',
    'ES256 ',
    'ES256K',
    'ES256\0',
    'dir',
    'A256GCMKW',
  ])
    add(`alg-${JSON.stringify(alg).slice(1, -1)}`, `the "alg" is ${JSON.stringify(alg)}`, {
      key,
      algorithms: ['ES256'],
      token: token(JSON.stringify({ alg, typ: 'at+jwt' }), claims),
      reason: 'algorithm_not_allowed',
    })
  for (const [id, value] of [
    ['null', null],
    ['number', 256],
    ['array', ['ES256']],
    ['object', { ES256: true }],
  ] as const)
    add(`alg-${id}`, `the "alg" is ${JSON.stringify(value)}`, {
      key,
      algorithms: ['ES256'],
      token: token(JSON.stringify({ alg: value, typ: 'at+jwt' }), claims),
      reason: 'algorithm_not_allowed',
    })

  const other = publicJwk(KEYS.otherP256)
  const otherSecret = toInteger(Buffer.from(String(KEYS.otherP256.d), 'base64url'))
  const foreign = (members: object) => {
    const input = inputOf({ alg: 'ES256', ...members })
    return `${input}.${encode(p1363(signEcdsa(P256, otherSecret, input), 32))}`
  }
  const mine = (members: object) => {
    const input = inputOf({ alg: 'ES256', ...members })
    return `${input}.${signed(input)}`
  }
  for (const [id, comment, text, reason] of [
    ['own-jwk', 'the header holds the right key', mine({ jwk: key }), undefined],
    [
      'foreign-jwk',
      'the header holds the key that made the signature',
      foreign({ jwk: other }),
      'invalid_signature',
    ],
    [
      'foreign-jku',
      'the header says where that key is',
      foreign({ jku: `${SETTING.issuer}/jwks` }),
      'invalid_signature',
    ],
    ['foreign-x5c', 'the header holds a certificate', foreign({ x5c: ['MIIB'] }), 'invalid_signature'],
    ['other-jwk', 'the header holds another key, the signature is right', mine({ jwk: other }), undefined],
    ['kid', 'the header names a key, the key has no name', mine({ kid: 'one' }), 'unknown_key'],
    ['kid-empty', 'the header names a key by an empty text', mine({ kid: '' }), 'unknown_key'],
    ['crit-empty', 'an empty "crit"', mine({ crit: [] }), 'unsupported_header'],
    ['crit-exp', 'a "crit" that names a claim', mine({ crit: ['exp'], exp: 1 }), 'unsupported_header'],
    ['b64', '"b64" is true', mine({ b64: true }), 'unsupported_header'],
    ['zip', 'compressed', mine({ zip: 'DEF' }), 'unsupported_header'],
    ['cty', 'a token in a token', mine({ cty: 'JWT' }), 'unsupported_header'],
    ['enc', 'an encrypted token, in three segments', mine({ enc: 'A128GCM' }), 'encrypted_token'],
  ] as const)
    add(`header-${id}`, comment, {
      key,
      algorithms: ['ES256'],
      token: text,
      ...(reason !== undefined && { reason }),
    })

  return {
    about: 'The algorithm comes from the verifier and its keys, never from a token (RFC 8725 §3.1)',
    vectors,
  }
}
