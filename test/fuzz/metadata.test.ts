/** Arbitrary metadata of an issuer: which URLs are fetched because of it, against a reader of the tests' own (RFC 8414 §3). */

import { createGate, introspection } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, goodClaims, NOW } from '../support/issuer.ts'
import { isAllowed, type Place, placeTexts, readPlace } from './places.ts'
import { AGAIN, fuzz, scaled } from './run.ts'
import { createSigner } from './signer.ts'

/** Issuers on the internet, in a private network and on this machine: where their metadata is, and where they are. */
const ISSUERS = (
  [
    ['https://id.example.com', '', 'id.example.com'],
    ['https://id.example.com', '/', 'id.example.com'],
    ['https://id.example.com:8443', '/realms/acme', 'id.example.com'],
    ['https://8.8.4.4', '/a/', '8.8.4.4'],
    ['https://[2606:4700::1]', '', '2606:4700::1'],
    ['https://10.0.0.5', '/a', '10.0.0.5'],
    ['https://id.localhost', '', 'id.localhost'],
    ['https://[fd00::1]:8443', '', 'fd00::1'],
    ['http://localhost:8080', '/realms/acme', 'localhost'],
    ['http://127.0.0.1:8080', '', '127.0.0.1'],
    ['http://[::1]', '/a', '::1'],
  ] as const
).map(([origin, path, home]) => {
  const behind = path.endsWith('/') ? path.slice(0, -1) : path
  return {
    issuer: origin + path,
    home,
    documents: [
      `${origin}/.well-known/oauth-authorization-server${behind}`,
      `${origin}${behind}/.well-known/openid-configuration`,
    ],
  }
})
type Issuer = (typeof ISSUERS)[number]

const signer = createSigner('Ed25519')
const tokens = new Map(
  ISSUERS.map(({ issuer }) => [
    issuer,
    signer.token({ typ: 'at+jwt', alg: signer.alg, kid: signer.kid }, { ...goodClaims(), iss: issuer }),
  ]),
)

type Member = 'jwks_uri' | 'introspection_endpoint'
const MEMBERS: readonly Member[] = ['jwks_uri', 'introspection_endpoint']

/** A value for a member that is a URL: a text, or what else JSON can say. */
const place = fc.oneof(
  { weight: 12, arbitrary: placeTexts },
  fc.constantFrom('https://id.example.com/keys', 'http://127.0.0.1:8080/keys', 'https://10.0.0.5/keys'),
  placeTexts.map((text) => [text]),
  placeTexts.map((href) => ({ href, toString: href })),
  fc.constantFrom(null, true, 7, '', {}, [], 'keys', '/keys', '//evil.example/keys'),
)

/** The `issuer` of a document: mostly the right one, or one that is hardly another. */
const named = fc.oneof(
  { weight: 60, arbitrary: fc.constant((issuer: string): unknown => issuer) },
  fc.constantFrom<(issuer: string) => unknown>(
    (issuer) => `${issuer}/`,
    (issuer) => issuer.replace(/\/$/, ''),
    (issuer) => issuer.toUpperCase(),
    (issuer) => ` ${issuer}`,
    (issuer) => `${issuer}\n`,
    (issuer) => `${issuer}#`,
    (issuer) => issuer.replace('://', '://user@'),
    (issuer) => [issuer],
    (issuer) => ({ issuer }),
    () => 'https://evil.example',
    () => null,
    () => undefined,
  ),
)

const OTHERS = [
  ...['jwks', 'token_endpoint', 'mtls_endpoint_aliases', 'signed_metadata', 'JWKS_URI', 'jwks_uri '],
  ...['__proto__', 'constructor', 'toString'],
]

interface Document {
  readonly named: (issuer: string) => unknown
  readonly jwks_uri: unknown
  readonly introspection_endpoint: unknown
  readonly others: readonly (readonly [string, unknown])[]
}

const document = fc.record<Document>({
  named,
  jwks_uri: fc.option(place, { nil: undefined, freq: 12 }),
  introspection_endpoint: fc.option(place, { nil: undefined, freq: 12 }),
  others: fc.array(
    fc.tuple(
      fc.constantFrom(...OTHERS),
      fc.oneof(
        place,
        placeTexts.map((text) => ({ jwks_uri: text, introspection_endpoint: text })),
      ),
    ),
    { maxLength: 2 },
  ),
})

/** How a place answers that is asked for metadata. */
type Served =
  | { readonly kind: 'document'; readonly document: Document; readonly status: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreachable' }

const served: fc.Arbitrary<Served> = fc.oneof(
  {
    weight: 24,
    arbitrary: fc.record({ kind: fc.constant('document' as const), document, status: fc.constant(200) }),
  },
  fc.record({
    kind: fc.constant('document' as const),
    document,
    status: fc.constantFrom(201, 203, 301, 302, 307, 308, 404, 500),
  }),
  fc.record({
    kind: fc.constant('text' as const),
    text: fc.constantFrom('', 'null', '[]', '{}', '"https://evil.example"', '<html>', '{"issuer":'),
  }),
  fc.constant({ kind: 'unreachable' as const }),
)

function textOf({ named, others, ...members }: Document, { issuer }: Issuer): string {
  const all: (readonly [string, unknown])[] = [
    ...others,
    ['issuer', named(issuer)],
    ...Object.entries(members),
  ]
  return `{${all.flatMap(([name, value]) => (value === undefined ? [] : [`${JSON.stringify(name)}:${JSON.stringify(value)}`])).join(',')}}`
}

/** The URL that an answer sends us to; `elsewhere` if the next place is asked. */
function ledTo(given: Served, issuer: Issuer, member: Member): string | 'elsewhere' {
  if (
    given.kind !== 'document' ||
    given.status !== 200 ||
    given.document.named(issuer.issuer) !== issuer.issuer
  )
    return 'elsewhere'
  const value = given.document[member]
  const read = readPlace(value)
  return read !== undefined && isAllowed(read, issuer.home) ? new URL(value as string).href : 'elsewhere'
}

/** The URLs that are fetched, and whether the last of them is the one that the metadata was to name. */
function expectedFetches(
  all: readonly Served[],
  issuer: Issuer,
  member: Member,
): { urls: readonly string[]; isFound: boolean } {
  const urls: string[] = []
  for (const [index, given] of all.entries()) {
    urls.push(issuer.documents[index] ?? '')
    const next = ledTo(given, issuer, member)
    if (next !== 'elsewhere') return { urls: [...urls, next], isFound: true }
  }
  return { urls, isFound: false }
}

/** Authenticates one good token, whose issuer serves this metadata. */
async function ask(all: readonly Served[], issuer: Issuer, member: Member) {
  const urls: string[] = []
  const fetch = async (url: string, { redirect }: RequestInit) => {
    urls.push(url)
    if (redirect !== 'manual') throw new Error(`follows redirects from ${url}`)
    const index = issuer.documents.indexOf(url)
    const given = all[index]
    if (given === undefined)
      return Response.json(member === 'jwks_uri' ? { keys: [signer.jwk] } : { active: true, aud: AUDIENCE })
    if (given.kind === 'unreachable') throw new TypeError('fetch failed')
    if (given.kind === 'text') return new Response(given.text)
    const headers = { location: 'https://evil.example/keys', 'content-type': 'application/json' }
    return new Response(textOf(given.document, issuer), { status: given.status, headers })
  }
  const settings = { issuer: issuer.issuer, audience: AUDIENCE, fetch, now: () => NOW * 1000 }
  const gate =
    member === 'jwks_uri'
      ? createGate({ ...settings, cache: false })
      : createGate({ verifier: introspection({ ...settings, clientId: 'api', clientSecret: 'secret' }) })
  const decision = await gate.authenticate({ header: () => `Bearer ${tokens.get(issuer.issuer)}` })
  return { urls, status: decision.ok ? 200 : decision.status }
}

/** Whether `fetch` would go to a place that the issuer may name, by its own reading of the URL. */
function isHarmless(url: string, home: string): boolean {
  const { protocol, hostname, username, hash, href } = new URL(url)
  const place: Place = {
    scheme: protocol.slice(0, -1) as Place['scheme'],
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
  }
  return (
    ['https:', 'http:'].includes(protocol) &&
    username === '' &&
    hash === '' &&
    href === url &&
    isAllowed(place, home)
  )
}

describe('the metadata of an issuer', () => {
  it('metadata leads only to the URLs that another reader allows, in 20,000 pairs of documents (ATK11)', async () => {
    const counts = { found: 0, unavailable: 0 }
    const property = fc.asyncProperty(
      fc.constantFrom(...ISSUERS),
      fc.constantFrom(...MEMBERS),
      fc.tuple(served, served),
      async (issuer, member, all) => {
        const expected = expectedFetches(all, issuer, member)
        counts[expected.isFound ? 'found' : 'unavailable'] += 1
        const { urls, status } = await ask(all, issuer, member)
        if (urls.join() !== expected.urls.join()) throw new Error(`fetched ${urls}, not ${expected.urls}`)
        const harmful = urls.find((url) => !isHarmless(url, issuer.home))
        if (harmful !== undefined) throw new Error(`fetched ${harmful}`)
        if (status !== (expected.isFound ? 200 : 503)) throw new Error(`answered ${status}`)
      },
    )
    expect(await fuzz('ATK11', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect(Math.min(...Object.values(counts)), AGAIN).toBeGreaterThanOrEqual(scaled(20_000) / 10)
  })
})
