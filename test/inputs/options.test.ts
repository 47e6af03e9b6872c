/** BI20: every option with values that cannot be meant: a TypeError at creation names it, or the value is allowed here in writing. */

import {
  allOf,
  cached,
  createGate,
  fromWebSocketRequest,
  generateToken,
  introspection,
  jwt,
  memoryRevocations,
  multiIssuerJwt,
  opaque,
  scope,
  type TokenVerifier,
} from '@bearergate/core'
import { lambdaAuthorizer } from '@bearergate/core/lambda'
import { keycloak } from '@bearergate/core/presets'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import { describe, expect, it } from 'vitest'
import { GATE_OPTIONS } from '#core/gate/options.ts'
import { createForge } from '../support/forge.ts'
import { AUDIENCE, ISSUER } from '../support/issuer.ts'

const { jwk } = createForge()
const verifier: TokenVerifier = { verify: () => ({ active: false, reason: 'unknown_token' }) }
const lookup = () => null
const described = { issuer: ISSUER, audience: AUDIENCE }

type Options = Readonly<Record<string, unknown>>
type Factory = (options: Options) => unknown

const JWT: Readonly<Record<string, Factory>> = {
  jwt: (options) => jwt({ ...described, ...options } as never),
  createGate: (options) => createGate({ ...described, ...options } as never),
  'bearer of Express': (options) => bearerExpress.bearer({ ...described, ...options } as never),
  'bearer of Koa': (options) => bearerKoa.bearer({ ...described, ...options } as never),
}
const CACHES: Readonly<Record<string, Factory>> = {
  'the cache of jwt': (cache) => jwt({ ...described, cache } as never),
  cached: (options) => cached(verifier, { ttl: 60, ...options }),
  'the cache of opaque': (cache) => opaque({ lookup, cache: { ttl: 60, ...cache } }),
}
const withKeys: Factory = (options) => jwt({ ...described, keys: { keys: [jwk] }, ...options } as never)
const gate: Factory = (options) => createGate({ verifier, ...options } as never)
const ofOpaque: Factory = (options) => opaque({ lookup, ...options } as never)

/** The option is named in a TypeError, unless the value is one of those that are allowed. */
type Row = readonly [factory: string, option: string, value: string, create: () => unknown, allowed: boolean]

function rowsOf(
  factories: Readonly<Record<string, Factory>>,
  option: string,
  values: Readonly<Record<string, unknown>>,
  allowed: readonly string[] = [],
): readonly Row[] {
  return Object.entries(factories).flatMap(([name, factory]) =>
    Object.entries(values).map(
      ([shown, value]) =>
        [name, option, shown, () => factory({ [option]: value }), allowed.includes(shown)] as const,
    ),
  )
}

const NUMBERS = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  '-1': -1,
  '"5"': '5',
  '2^53': 2 ** 53,
  '0': 0,
  null: null,
  true: true,
  '[5]': [5],
  '5n': 5n,
  'an object that is worth 5': { valueOf: () => 5 },
}

const NUMERIC: readonly Row[] = [
  // No tolerance at all is a strict choice, not a mistake.
  ...rowsOf(JWT, 'clockTolerance', NUMBERS, ['0']),
  ...['maxTokenAge', 'cacheMaxAge', 'staleIfError', 'cooldown', 'timeout'].flatMap((option) =>
    rowsOf(JWT, option, NUMBERS),
  ),
  ...['ttl', 'max'].flatMap((option) => rowsOf(CACHES, option, NUMBERS)),
  // Its default: refusals are not kept.
  ...rowsOf({ cached: CACHES.cached as Factory }, 'negativeTtl', NUMBERS, ['0']),
  ...rowsOf({ 'the cache of opaque': CACHES['the cache of opaque'] as Factory }, 'negativeTtl', NUMBERS, [
    '0',
  ]),
  ...rowsOf({ createGate: gate }, 'maxTokenLength', {
    ...NUMBERS,
    '255': 255,
    '15001': 15_001,
    '300.5': 300.5,
  }),
]

const URLS = {
  http: 'http://id.example.com/a',
  'http in upper case': 'HTTP://id.example.com/a',
  'http on a host that begins like loopback': 'http://localhost.example.com/a',
  'http on an address that begins like loopback': 'http://127.0.0.1.example.com/a',
  'http to every address': 'http://0.0.0.0/a',
  file: 'file:///etc/keys.json',
  data: 'data:application/json,{"keys":[]}',
  ftp: 'ftp://id.example.com/a',
  javascript: 'javascript:alert(1)',
  blob: 'blob:https://id.example.com/a',
  ws: 'wss://id.example.com/a',
  userinfo: 'https://user:secret@id.example.com/a',
  'a user name alone': 'https://user@id.example.com/a',
  fragment: 'https://id.example.com/a#keys',
  'an empty fragment': 'https://id.example.com/a#',
  relative: '/keys.json',
  'without a scheme': '//id.example.com/a',
  'without a host': 'https://',
  empty: '',
  null: null,
  'a number': 5,
  'a list': ['https://id.example.com/a'],
  'a URL object': new URL('https://id.example.com/a'),
}

const URL_OPTIONS: readonly Row[] = [
  ...rowsOf(JWT, 'issuer', { ...URLS, undefined: undefined, query: 'https://id.example.com?a' }),
  ...rowsOf(JWT, 'jwksUri', URLS),
  // With keys of its own nothing is fetched, and the issuer is a name: any text in the characters of a URI.
  ...rowsOf({ 'jwt with keys': withKeys }, 'issuer', URLS, [
    'http',
    'http in upper case',
    'http on a host that begins like loopback',
    'http on an address that begins like loopback',
    'http to every address',
    'file',
    'ftp',
    'javascript',
    'blob',
    'ws',
    'userinfo',
    'a user name alone',
    'fragment',
    'an empty fragment',
    'relative',
    'without a scheme',
    'without a host',
    // Null, in writing, is for tokens without an issuer.
    'null',
  ]),
]

const LISTS = {
  empty: [],
  'an empty string': '',
  string: 'api',
  nested: [['api']],
  RegExp: /api/,
  'a list with a RegExp': [/api/],
  'a list with an empty string': ['api', ''],
  'a list with null': ['api', null],
  'a list with a hole': new Array(2),
  'a Set': new Set(['api']),
  'an object like a list': { 0: 'api', length: 1 },
  'a function': () => true,
  'a number': 5,
  true: true,
  null: null,
  undefined: undefined,
}

const LIST_OPTIONS: readonly Row[] = [
  // Null asks nothing of the audience, which takes the word in writing.
  ...rowsOf(JWT, 'audience', LISTS, ['string', 'null']),
  ...rowsOf(JWT, 'algorithms', { ...LISTS, none: ['none'], HMAC: ['HS256'], 'wrong case': ['es256'] }, [
    'undefined',
  ]),
  ...rowsOf(JWT, 'allowHttp', { ...LISTS, 'a URL': ['http://keycloak:8080'], wildcard: ['*:8080'] }, [
    'empty',
    'undefined',
  ]),
  ...rowsOf(
    JWT,
    'keys',
    {
      ...LISTS,
      'a bare list': [jwk],
      'no keys': { keys: [] },
      'keys of a string': { keys: 'key' },
      'nested keys': { keys: [[jwk]] },
      'keys of a RegExp': { keys: /key/ },
      'a private key': { keys: [{ ...jwk, d: 'AA' }] },
      'JSON text': JSON.stringify({ keys: [jwk] }),
    },
    ['undefined'],
  ),
]

const TEXTS = {
  empty: '',
  null: null,
  'a number': 5,
  true: true,
  'a list': ['api'],
  RegExp: /api/,
  'an object': {},
}
const CALLBACKS = {
  null: null,
  string: 'now',
  'a number': 5,
  true: true,
  'an object': {},
  'a list': [Date.now],
}
/** Objects that have no options of their own, and would count as options that are not set. */
const WITHOUT_MEMBERS = {
  'a list': [],
  'a Map': new Map([['tenant', 'acme']]),
  'a Set': new Set(['tenant']),
  'a Date': new Date(0),
  'an Error': new Error('acme'),
  'a RegExp': /acme/,
  'a URL': new URL('https://acme.example.com'),
  'a promise': Promise.resolve({ tenant: 'acme' }),
  'an instance with a getter': new (class {
    get tenant() {
      return 'acme'
    }
  })(),
}
const OBJECTS = {
  ...WITHOUT_MEMBERS,
  null: null,
  string: 'x',
  'a number': 5,
  true: true,
  'a function': () => {},
}

/** Functions by the name of their options in messages. */
const WHOLE: Readonly<Record<string, (options: never) => unknown>> = {
  createGate: (options) => createGate(options),
  jwt: (options) => jwt(options),
  introspection: (options) => introspection(options),
  cached: (options) => cached(verifier, options),
  memoryRevocations: (options) => memoryRevocations(options),
  multiIssuerJwt: (options) => multiIssuerJwt([described], options),
  lambdaAuthorizer: (options) => lambdaAuthorizer(createGate(described), options),
  protect: (options) => createGate(described).protect(() => new Response(), options),
  fromWebSocketRequest: (options) => fromWebSocketRequest(new Request(AUDIENCE), options),
}
const ofKeycloak: Factory = (options) =>
  keycloak({ url: ISSUER, realm: 'a', audience: AUDIENCE, ...options } as never)

const OTHERS: readonly Row[] = [
  ...rowsOf({ createGate: gate }, 'realm', TEXTS),
  ...rowsOf({ createGate: gate }, 'onDenied', { ...TEXTS, unknown: 'throw', inherited: 'toString' }),
  ...rowsOf({ createGate: gate }, 'tokenSyntax', { ...TEXTS, unknown: 'any', inherited: 'toString' }),
  ...rowsOf({ createGate: gate }, 'onDecision', CALLBACKS),
  // A function is a requirement as well.
  ...rowsOf({ createGate: gate }, 'requirement', OBJECTS, ['a function']),
  ...rowsOf({ createGate: gate }, 'isRevoked', CALLBACKS),
  ...rowsOf({ createGate: gate }, 'scopeImplies', CALLBACKS),
  ...['optional', 'requireTls', 'passPreflight', 'exposeChallenge'].flatMap((option) =>
    rowsOf({ createGate: gate }, option, { null: null, 'a number': 1, 'a word': 'true', 'a list': [] }),
  ),
  ...rowsOf({ createGate: gate }, 'tokenFrom', { ...OBJECTS, 'no place': { header: false } }),
  ...['header', 'form', 'query', 'cookie'].flatMap((place) =>
    rowsOf({ createGate: ({ [place]: value }) => gate({ tokenFrom: { [place]: value } } as never) }, place, {
      null: null,
      'a number': 1,
      'a list': ['a'],
      'a name with a space': 'a b',
      'an empty name': '',
    }),
  ),
  ...rowsOf({ createGate: gate }, 'resource', {
    ...OBJECTS,
    http: 'http://api.example.com',
    query: 'https://api.example.com/?a',
    fragment: 'https://api.example.com/#a',
    empty: '',
    'a user': 'https://a@api.example.com',
  }),
  ...rowsOf({ createGate: gate }, 'verifier', OBJECTS),
  ...rowsOf(JWT, 'discovery', { null: null, 'a number': 1, 'a word': 'true', 'a list': [] }),
  ...rowsOf(JWT, 'allowIdTokenClaims', { ...LISTS, unknown: ['c_hash'] }, ['empty', 'undefined']),
  ...rowsOf(JWT, 'profile', { ...TEXTS, unknown: 'strict', inherited: 'toString' }),
  ...rowsOf(JWT, 'now', CALLBACKS),
  ...rowsOf(JWT, 'fetch', CALLBACKS),
  ...rowsOf(JWT, 'cache', OBJECTS),
  ...rowsOf({ ...JWT, keycloak: ofKeycloak }, 'requiredClaims', {
    ...OBJECTS,
    'an instance': new (class {
      tenant = 'acme'
    })(),
    'an object that inherits': Object.create({ tenant: 'acme' }),
  }),
  ...rowsOf({ createGate: gate }, 'allowPreflight', OBJECTS, ['a function']),
  ...Object.entries(WHOLE).flatMap(([name, create]) =>
    rowsOf({ [name]: (given) => create(given[name] as never) }, name, WITHOUT_MEMBERS),
  ),
  ...rowsOf({ cached: CACHES.cached as Factory, opaque: ofOpaque }, 'now', CALLBACKS),
  ...rowsOf({ opaque: ofOpaque }, 'lookup', { ...CALLBACKS, undefined: undefined }),
  ...rowsOf({ opaque: ofOpaque }, 'cache', { ...OBJECTS, false: false }),
  ...rowsOf({ opaque: ofOpaque, generateToken: ({ prefix }) => generateToken(prefix as string) }, 'prefix', {
    ...TEXTS,
    'a space': 'a b',
    'a hyphen': 'a-b',
    'a line feed': 'a\n',
    'not ASCII': 'é',
    'too long': 'a'.repeat(33),
  }),
  ...rowsOf({ scope: ({ scope: name }) => scope(name as string) }, 'scope', {
    ...TEXTS,
    'a space': 'a b',
    'a line feed': 'a\n',
  }),
  ...rowsOf(
    { allOf: ({ allOf: item }) => allOf(item as never) },
    'allOf',
    {
      ...OBJECTS,
      undefined: undefined,
    },
    ['a function'],
  ),
  ...['toString', '__proto__ ', 'Issuer', 'audiences', 'unless'].flatMap((option) =>
    rowsOf(JWT, option, { true: true }),
  ),
]

describe.each([
  ['numbers', NUMERIC],
  ['URLs', URL_OPTIONS],
  ['lists', LIST_OPTIONS],
  ['others', OTHERS],
] as const)('%s', (_name, rows) => {
  const allowed = rows.filter(([, , , , isAllowed]) => isAllowed)
  const refused = rows.filter(([, , , , isAllowed]) => !isAllowed)

  it.each(refused)('%s names "%s" in a TypeError for: %s (BI20)', (_factory, option, _value, create) => {
    const error = thrownBy(create)
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toContain(`"${option}"`)
  })

  if (allowed.length > 0)
    it.each(allowed)('%s allows as "%s": %s (BI20)', (_factory, _option, _value, create) => {
      expect(thrownBy(create)).toBe(undefined)
    })
})

describe('an option that is undefined', () => {
  const client = { clientId: 'api', clientSecret: 'secret' }
  const factories: Readonly<Record<string, Factory>> = {
    ...JWT,
    'createGate with a verifier': gate,
    opaque: ofOpaque,
    cached: CACHES.cached as Factory,
    introspection: (options) =>
      introspection({ endpoint: `${ISSUER}/introspect`, ...client, audience: null, ...options } as never),
    issuers: (options) => multiIssuerJwt([described], options as never),
    tokenFrom: (tokenFrom) => createGate({ ...described, tokenFrom } as never),
    keycloak: ofKeycloak,
    lambdaAuthorizer: (options) => lambdaAuthorizer(createGate(described), options as never),
  }

  it.each(Object.entries(factories))('is none, of %s, unless it must be there', (_name, create) => {
    const [, list = ''] = /it has (.*)$/.exec(String(thrownBy(() => create({ other: 1 })))) ?? []
    // A message lists the options of a function with few of them.
    const names = list === '' ? GATE_OPTIONS.filter((option) => isKnown(create, option)) : list.split(', ')
    expect(names.length).toBeGreaterThan(1)
    const required = names.filter((name) => thrownBy(() => create({ [name]: undefined })) !== undefined)
    const mustBeThere = [
      'issuer',
      'audience',
      'verifier',
      'lookup',
      'ttl',
      'clientId',
      'clientSecret',
      'endpoint',
      'url',
      'realm',
    ]
    expect(mustBeThere).toEqual(expect.arrayContaining([...required, 'issuer']))
  })
})

describe('an option that is inherited', () => {
  class Config {
    readonly issuer = ISSUER
    readonly audience = AUDIENCE
    get requireTls() {
      return true
    }
  }

  it('is named in a TypeError, from a class or another prototype (BI20)', () => {
    const message = 'the option "requireTls" of "createGate" is inherited'
    expect(String(thrownBy(() => createGate(new Config())))).toContain(message)
    const defaults = Object.assign(Object.create({ requireTls: true }), described)
    expect(String(thrownBy(() => createGate(defaults)))).toContain(message)
    const cache = Object.assign(Object.create({ ttl: 60 }), { max: 100 })
    expect(String(thrownBy(() => jwt({ ...described, cache })))).toContain('"ttl" of "cache" is inherited')
  })

  it('is none on Object.prototype, nor is any other member of a class (BI15)', () => {
    class Settings {
      readonly issuer = ISSUER
      readonly audience = AUDIENCE
      get environment() {
        return 'test'
      }
    }
    expect(thrownBy(() => createGate(new Settings()))).toBe(undefined)
    expect(thrownBy(() => createGate(Object.assign(Object.create(null), described)))).toBe(undefined)
    const prototype = Object.prototype as { requireTls?: boolean }
    prototype.requireTls = true
    try {
      expect(thrownBy(() => createGate({ ...described }))).toBe(undefined)
    } finally {
      delete prototype.requireTls
    }
  })
})

describe('a clock', () => {
  const factories: Readonly<Record<string, Factory>> = {
    ...JWT,
    opaque: ofOpaque,
    cached: CACHES.cached as Factory,
    issuers: (options) => multiIssuerJwt([described], options as never),
    memoryRevocations: (options) => memoryRevocations(options as never),
  }

  it.each(Object.entries(factories))('in seconds throws at creation, of %s (BI20)', (_name, create) => {
    for (const time of [1_767_225_600, 1_767_225_600.5])
      expect(String(thrownBy(() => create({ now: () => time })))).toContain('"now" must return milliseconds')
    // At start-up, the clock of a Worker is at the epoch. Clocks of tests begin anywhere.
    for (const time of [1_767_225_600_000, 0, 1, 60_000, -1])
      expect(thrownBy(() => create({ now: () => time }))).toBe(undefined)
  })
})

it('rejects jwksStore with keys, because nothing is fetched that could be stored (BI20)', () => {
  const jwksStore = { get: () => undefined, set: () => {} }
  expect(String(thrownBy(() => withKeys({ jwksStore })))).toMatch(
    /"jwksStore" needs a key set that is fetched/,
  )
})

it('never repeats a value in the message: it may be a secret (BI20)', () => {
  const SECRET = 'https://user:hunter2@id.example.com'
  for (const [factory, create] of Object.entries(JWT))
    for (const option of ['issuer', 'jwksUri'])
      expect(String(thrownBy(() => create({ [option]: SECRET }))), factory).not.toContain('hunter2')
})

it('has 150 rows at least, for all numbers, URLs and lists (BI20)', () => {
  expect(NUMERIC.length + URL_OPTIONS.length + LIST_OPTIONS.length).toBeGreaterThanOrEqual(150)
})

function isKnown(create: Factory, option: string): boolean {
  return !String(thrownBy(() => create({ [option]: undefined }))).includes('has no option')
}

function thrownBy(create: () => unknown): unknown {
  try {
    create()
    return undefined
  } catch (error) {
    return error
  }
}
