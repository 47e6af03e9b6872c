/** BI09: JSON text that is broken, or valid and hostile, in header, payload, key set and metadata (RFC 8259, RFC 8725 §3.7). */

import { createGate } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  claimsText,
  createForge,
  FORGED_HEADER,
  gateOfForge,
  outcome,
  requestWith,
} from '../support/forge.ts'
import { AUDIENCE, NOW } from '../support/issuer.ts'
import { sampled } from '../support/sample.ts'
import { listen, type Running } from '../support/server.ts'

const forge = createForge()

/** Makes a document out of one that is good. */
type Fault = (good: string) => Uint8Array

const bytes = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)))
/** One more member with this value, written as it is. */
const member =
  (...value: readonly (string | readonly number[])[]): Fault =>
  (good) =>
    bytes('{"x":', ...value, ',', good.slice(1))
const nested = (levels: number): Fault => member('['.repeat(levels), ']'.repeat(levels))
const nestedObjects = (levels: number): Fault => member('{"a":'.repeat(levels), '0', '}'.repeat(levels))
const replaced =
  (write: (good: string) => string | Uint8Array): Fault =>
  (good) =>
    Buffer.from(write(good) as string)

/** Not JSON in UTF-8, or not an object: refused wherever it stands. */
const BROKEN: Readonly<Record<string, Fault>> = {
  'a byte order mark': replaced((good) => `\ufeff${good}`),
  'two byte order marks': replaced((good) => `\ufeff\ufeff${good}`),
  'UTF-16LE': replaced((good) => Buffer.from(good, 'utf16le')),
  'UTF-16LE with a byte order mark': replaced((good) => Buffer.from(`\ufeff${good}`, 'utf16le')),
  'UTF-16BE': replaced((good) => Buffer.from(good, 'utf16le').swap16()),
  'UTF-16BE with a byte order mark': replaced((good) => Buffer.from(`\ufeff${good}`, 'utf16le').swap16()),
  'UTF-32BE': (good) => bytes(...[...good].map((char) => [0, 0, 0, char.charCodeAt(0)])),
  'a lone first continuation byte': member('"', [0x80], '"'),
  'a lone last continuation byte': member('"', [0xbf], '"'),
  'an overlong form of two bytes': member('"', [0xc0, 0xaf], '"'),
  'the last overlong form of two bytes': member('"', [0xc1, 0xbf], '"'),
  'an overlong form of three bytes': member('"', [0xe0, 0x80, 0xaf], '"'),
  'an overlong form of four bytes': member('"', [0xf0, 0x80, 0x80, 0xaf], '"'),
  'an overlong quotation mark': member('"', [0xc0, 0xa2], ',"'),
  'a high surrogate in UTF-8': member('"', [0xed, 0xa0, 0x80], '"'),
  'a low surrogate in UTF-8': member('"', [0xed, 0xbf, 0xbf], '"'),
  'a pair of surrogates in UTF-8 (CESU-8)': member('"', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], '"'),
  'a code point past U+10FFFF': member('"', [0xf4, 0x90, 0x80, 0x80], '"'),
  'the lead byte F5': member('"', [0xf5, 0x80, 0x80, 0x80], '"'),
  'a form of five bytes': member('"', [0xf8, 0x88, 0x80, 0x80, 0x80], '"'),
  'a form of six bytes': member('"', [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80], '"'),
  'the byte FE': member('"', [0xfe], '"'),
  'the byte FF': member('"', [0xff], '"'),
  'a form of two bytes cut short': member('"', [0xc3], '"'),
  'a form of three bytes cut short': member('"', [0xe2, 0x82], '"'),
  'a form of four bytes cut short': member('"', [0xf0, 0x9f, 0x98], '"'),
  'a lead byte before a letter': member('"', [0xc3, 0x28], '"'),
  'a malformed byte in the name of a member': (good) => bytes('{"', [0xff], '":1,', good.slice(1)),
  'a malformed byte after the end': (good) => bytes(good, [0xc3]),
  'a trailing comma in the object': replaced((good) => `${good.slice(0, -1)},}`),
  'a trailing comma in an array': member('[1,]'),
  'a leading comma': replaced((good) => good.replace('{', '{,')),
  'two commas': member('1,'),
  'a missing comma': replaced((good) => good.replace('{', '{"x":1 ')),
  'a missing colon': replaced((good) => good.replace('{', '{"x" 1,')),
  'a line comment': replaced((good) => good.replace('{', '{// comment\n')),
  'a block comment': replaced((good) => `/* comment */${good}`),
  'a hash comment': replaced((good) => `# comment\n${good}`),
  NaN: member('NaN'),
  Infinity: member('Infinity'),
  '-Infinity': member('-Infinity'),
  undefined: member('undefined'),
  True: member('True'),
  'a leading zero': member('01'),
  'a negative leading zero': member('-01'),
  'a plus sign': member('+1'),
  'a number without an integer part': member('.5'),
  'a number without a fraction': member('5.'),
  'a number without an exponent': member('1e'),
  'a hexadecimal number': member('0x10'),
  'a bigint': member('1n'),
  'a number with a separator': member('1_000'),
  'a raw U+0000 in a string': member('"\u0000"'),
  'a raw tab in a string': member('"\t"'),
  'a raw line feed in a string': member('"\n"'),
  'a raw carriage return in a string': member('"\r"'),
  'a raw U+001F in a string': member('"\u001f"'),
  'a raw U+0000 between tokens': replaced((good) => good.replace('{', '{\u0000')),
  'a form feed between tokens': replaced((good) => good.replace('{', '{\f')),
  'a no-break space between tokens': replaced((good) => good.replace('{', '{\u00a0')),
  'a line separator between tokens': replaced((good) => good.replace('{', '{\u2028')),
  'single quotes': replaced((good) => good.replaceAll('"', "'")),
  'a name without quotes': replaced((good) => good.replace('{', '{x:1,')),
  'a number as a name': replaced((good) => good.replace('{', '{1:1,')),
  'an escape that is none': member('"\\x41"'),
  'a \\u escape with a letter that is no digit': member('"\\u00g0"'),
  'a \\u escape that is too short': member('"\\u12"'),
  'a backslash at the end of a string': member('"\\"'),
  'a string without an end': member('"'),
  'no end': replaced((good) => good.slice(0, -1)),
  'two ends': replaced((good) => `${good}}`),
  'two documents': replaced((good) => good + good),
  'a word after the end': replaced((good) => `${good}x`),
  'an array without an end, 1,000 deep': member('['.repeat(1000)),
  'nothing but white space': replaced(() => ' \n'),
  'a number alone': replaced(() => '7'),
  'a string alone': replaced((good) => JSON.stringify(good)),
  'null alone': replaced(() => 'null'),
  'true alone': replaced(() => 'true'),
  'an array around it': replaced((good) => `[${good}]`),
}

const OK = 'ok'
const MALFORMED = '401 malformed_token'
const TOO_LONG = '400 credentials_too_long'
const UNAVAILABLE = '503 unavailable'

interface Outcomes {
  readonly header: string
  readonly payload: string
  readonly jwks: string
  readonly metadata: string
}
const FINE: Outcomes = { header: OK, payload: OK, jwks: OK, metadata: OK }
const LONG: Outcomes = { ...FINE, header: TOO_LONG, payload: TOO_LONG }
/** Header and claims have 32 levels at most. */
const DEEP: Outcomes = { ...FINE, header: MALFORMED, payload: MALFORMED }

/** Valid JSON that a reader may stumble over. */
const HOSTILE: Readonly<Record<string, readonly [Fault, Outcomes]>> = {
  'a lone high surrogate as an escape': [member('"\\ud800"'), FINE],
  'a lone low surrogate as an escape': [member('"\\udc00"'), FINE],
  'a reversed pair of surrogates as escapes': [member('"\\udc00\\ud800"'), FINE],
  'a lone surrogate in the name of a member': [replaced((good) => good.replace('{', '{"\\ud800":1,')), FINE],
  'an escaped U+0000': [member('"\\u0000"'), FINE],
  'a raw U+007F': [member('"\u007f"'), FINE],
  'a raw U+2028': [member('"\u2028"'), FINE],
  'a byte order mark in a string': [member('"\ufeff"'), FINE],
  'a noncharacter': [member('"\uffff"'), FINE],
  'four bytes of UTF-8': [member('"😀"'), FINE],
  'an empty name': [replaced((good) => good.replace('{', '{"":1,')), FINE],
  'white space of every kind': [replaced((good) => `\r\n\t ${good.replace('{', '{ \r\n\t')} \n`), FINE],
  'names written as escapes': [replaced((good) => good.replace(/"(\w)/, escapedFirst)), FINE],
  'an overflowing number': [member('1e999'), FINE],
  'a negative zero': [member('-0'), FINE],
  'arrays 33 deep': [nested(33), DEEP],
  'arrays 1,000 deep': [nested(1000), DEEP],
  'arrays 5,000 deep': [nested(5000), LONG],
  'arrays 100,000 deep': [nested(100_000), LONG],
  'objects 33 deep': [nestedObjects(33), DEEP],
  'objects 800 deep': [nestedObjects(800), DEEP],
  'objects 20,000 deep': [nestedObjects(20_000), LONG],
  'objects 100,000 deep': [nestedObjects(100_000), { ...LONG, jwks: UNAVAILABLE, metadata: UNAVAILABLE }],
  '10,000 members': [
    replaced((good) =>
      good.replace('{', `{${Array.from({ length: 10_000 }, (_, n) => `"x${n}":${n},`).join('')}`),
    ),
    LONG,
  ],
  'a string of 1 MiB': [
    member(`"${'a'.repeat(2 ** 20)}"`),
    { ...LONG, jwks: UNAVAILABLE, metadata: UNAVAILABLE },
  ],
  'a number of 100,000 digits': [member('9'.repeat(100_000)), LONG],
  'a fraction of 100,000 digits': [member(`0.${'9'.repeat(100_000)}`), LONG],
  'a number of 1,000 digits': [member('9'.repeat(1000)), FINE],
}

function escapedFirst(_match: string, letter: string): string {
  return `"\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
}

let server: Running
const documents = new Map<string, string | Uint8Array>()
const requested: string[] = []

beforeAll(async () => {
  server = await listen((request, response) => {
    const path = request.url ?? ''
    requested.push(path)
    const document = documents.get(path)
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(document)
  })
})
afterAll(() => server.close())

let tenants = 0
interface Tenant {
  readonly issuer: string
  readonly jwks: string
  readonly metadata: string
}
/** An issuer with good documents, before anything is done to them. */
function newTenant(): Tenant {
  const issuer = `${server.origin}/t${tenants++}`
  return {
    issuer,
    jwks: JSON.stringify({ keys: [forge.jwk] }),
    metadata: JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` }),
  }
}

function publish({ issuer }: Tenant, jwks: string | Uint8Array, metadata: string | Uint8Array): void {
  const { pathname } = new URL(issuer)
  documents.set(`${pathname}/jwks`, jwks)
  documents.set(`/.well-known/oauth-authorization-server${pathname}`, metadata)
  documents.set(`${pathname}/.well-known/openid-configuration`, metadata)
}

function asked({ issuer }: Tenant): Promise<string> {
  const gate = createGate({ issuer, audience: AUDIENCE, now: () => NOW * 1000 })
  return outcome(gate, forge.sign(claimsText({ iss: JSON.stringify(issuer) })))
}

const PLACES: Readonly<Record<keyof Outcomes, (fault: Fault) => Promise<string>>> = {
  header: (fault) => outcome(gateOfForge(forge), forge.sign(claimsText(), fault(FORGED_HEADER))),
  payload: (fault) => outcome(gateOfForge(forge), forge.sign(fault(claimsText()))),
  jwks(fault) {
    const tenant = newTenant()
    publish(tenant, fault(tenant.jwks), tenant.metadata)
    return asked(tenant)
  },
  metadata(fault) {
    const tenant = newTenant()
    publish(tenant, tenant.jwks, fault(tenant.metadata))
    return asked(tenant)
  },
}
const places = Object.keys(PLACES) as (keyof Outcomes)[]

describe.each(places)('in the %s', (place) => {
  const refused = place === 'header' || place === 'payload' ? MALFORMED : UNAVAILABLE

  it('works with the document as it is (BI09)', async () => {
    expect(await PLACES[place]((good) => Buffer.from(good))).toBe(OK)
  })

  it.each(sampled(Object.entries(BROKEN), 20))(`rejects %s: ${refused} (BI09)`, async (_name, fault) => {
    expect(await PLACES[place](fault)).toBe(refused)
  })

  it.each(
    Object.entries(HOSTILE).map(([name, [fault, outcomes]]) => [name, outcomes[place], fault] as const),
  )('accepts %s: %s (BI09)', async (_name, expected, fault) => {
    expect(await PLACES[place](fault)).toBe(expected)
  })
})

it.each([
  ['header', MALFORMED],
  ['payload', MALFORMED],
  ['jwks', UNAVAILABLE],
  ['metadata', UNAVAILABLE],
] as const)('rejects an empty %s: %s (BI09)', async (place, expected) => {
  expect(await PLACES[place](() => new Uint8Array())).toBe(expected)
})

describe('members of the same name', () => {
  it.each([
    ['{"alg":"none","alg":"ES256","kid":"forge","typ":"at+jwt"}', OK],
    ['{"alg":"ES256","alg":"none","kid":"forge","typ":"at+jwt"}', '401 algorithm_not_allowed'],
    ['{"alg":"ES256","kid":"forge","kid":"other","typ":"at+jwt"}', '401 unknown_key'],
    ['{"alg":"ES256","kid":"forge","typ":"at+jwt","typ":"dpop+jwt"}', '401 not_an_access_token'],
    ['{"alg":"ES256","\\u0061lg":"none","kid":"forge","typ":"at+jwt"}', '401 algorithm_not_allowed'],
  ])('uses the last of repeated members in the header %s: %s (BI09)', async (header, expected) => {
    expect(await outcome(gateOfForge(forge), forge.sign(claimsText(), header))).toBe(expected)
  })

  it('uses the last of repeated members in the payload (BI09)', async () => {
    const twice = claimsText({ sub: '"leo","sub":"emma"' })
    const decision = await gateOfForge(forge).authenticate(requestWith(forge.sign(twice)))
    expect(decision).toMatchObject({ ok: true, identity: { subject: 'emma' } })
    const expired = claimsText({ exp: `${NOW + 600},"exp":1` })
    expect(await outcome(gateOfForge(forge), forge.sign(expired))).toBe('401 expired')
  })

  it.each([
    ['first', (good: string) => good.replace('{', '{"keys":[],'), OK],
    ['last', (good: string) => `${good.slice(0, -1)},"keys":[]}`, UNAVAILABLE],
  ])(
    'uses the last of repeated members in the key set: the empty one is %s (BI09)',
    async (_where, write, expected) => {
      expect(await PLACES.jwks(replaced(write))).toBe(expected)
    },
  )

  it.each([
    ['first', (good: string) => good.replace('{', '{"jwks_uri":"http://127.0.0.1/other",'), OK],
    ['last', (good: string) => `${good.slice(0, -1)},"jwks_uri":"http://evil.example.com"}`, UNAVAILABLE],
    ['last, the issuer', (good: string) => `${good.slice(0, -1)},"issuer":"https://evil"}`, UNAVAILABLE],
  ])(
    'uses the last of repeated members in the metadata: the wrong one is %s (BI09)',
    async (_where, write, expected) => {
      expect(await PLACES.metadata(replaced(write))).toBe(expected)
    },
  )
})

describe('inside a key', () => {
  it.each(Object.entries(HOSTILE).filter(([name]) => !name.startsWith('names written')))(
    'takes %s in a member of a key that it does not read (BI09)',
    async (_name, [fault, outcomes]) => {
      const tenant = newTenant()
      const key = fault(JSON.stringify(forge.jwk))
      publish(tenant, bytes('{"keys":[', [...key], ']}'), tenant.metadata)
      expect(await asked(tenant)).toBe(outcomes.jwks)
    },
  )
})

it('reads the metadata of OpenID Connect if that of RFC 8414 is no JSON (BI09)', async () => {
  const tenant = newTenant()
  publish(tenant, tenant.jwks, tenant.metadata)
  const { pathname } = new URL(tenant.issuer)
  documents.set(`/.well-known/oauth-authorization-server${pathname}`, `\ufeff${tenant.metadata}`)
  expect(await asked(tenant)).toBe(OK)
  expect(requested).toContain(`${pathname}/.well-known/openid-configuration`)
})

it('has 200 cases at least (BI09)', () => {
  const each = Object.keys(BROKEN).length + Object.keys(HOSTILE).length
  expect(each * places.length).toBeGreaterThanOrEqual(200)
})
