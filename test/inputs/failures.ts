/** Every way in which a request fails, or passes, with a canary in it: for the leak hunt of BI19. */

import * as core from '@bearergate/core'
import { type Gate, type GateSettings, opaque, scope, type TokenVerifier } from '@bearergate/core'
import { base64url, claimsText, createForge, FORGED_HEADER, gateOfForge } from '../support/forge.ts'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'

type Settings = Pick<GateSettings, 'onDecision' | 'onDenied'>

export interface Failure {
  readonly name: string
  /** `ok`, or status and reason. */
  readonly expected: string
  gate(settings?: Settings): Gate
  /** The value of `Authorization`, with the canary in each of its parts. */
  header(canary: string): string
}

const forge = createForge()
const other = createForge()
const now = () => NOW * 1000
const jwks = { keys: [forge.jwk] }

/** A token with the canary in its header and its claims, and so in both of its encoded parts. */
function signed(
  canary: string,
  members: Readonly<Record<string, string | undefined>> = {},
  by = forge,
): string {
  return by.sign(claimsText({ jti: `"${canary}"`, ...members }), headerText(canary))
}

function headerText(canary: string, members: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ ...JSON.parse(FORGED_HEADER), x: canary, ...members })
}

const throwing = (): never => {
  throw new Error('the database is away')
}
const jwtGate = (settings?: Settings) => gateOfForge(forge, settings)
const demanding = (settings?: Settings) => gateOfForge(forge, { ...settings, requirement: scope('admin') })
const gateWith =
  (fetch: () => Promise<Response>) =>
  (settings?: Settings): Gate =>
    core.createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUri: `${ISSUER}/jwks`,
      now,
      fetch,
      ...settings,
    })
const gateOf =
  (verifier: TokenVerifier) =>
  (settings?: Settings): Gate =>
    core.createGate({ verifier, ...settings })
const lookedUp = (lookup: () => unknown, cache = { ttl: 60, negativeTtl: 60 }) =>
  gateOf(opaque({ lookup: lookup as () => null, now, cache }))
const answering = (status: number, body: string) => gateWith(async () => new Response(body, { status }))

const TOKENS: readonly (readonly [
  name: string,
  expected: string,
  gate: Failure['gate'],
  token: (canary: string) => string,
])[] = [
  ['a good JWT', 'ok', jwtGate, (canary) => signed(canary)],
  [
    'a good JWT, with keys that were fetched',
    'ok',
    answering(200, JSON.stringify(jwks)),
    (canary) => signed(canary),
  ],
  ['text that is no JWT', '401 malformed_token', jwtGate, (canary) => `${canary}.${canary}`],
  ['an encrypted token', '401 encrypted_token', jwtGate, (canary) => Array(5).fill(canary).join('.')],
  ['a payload that is no JSON', '401 malformed_token', jwtGate, (canary) => forge.sign(`{"a":${canary}}`)],
  [
    'a header that is no JSON',
    '401 malformed_token',
    jwtGate,
    (canary) => forge.sign('{}', `{"a":${canary}}`),
  ],
  [
    'a header that is no UTF-8',
    '401 malformed_token',
    jwtGate,
    (canary) => forge.sign('{}', Buffer.from(`{"${canary}\xff":1}`, 'latin1')),
  ],
  [
    'claims nested too deeply',
    '401 malformed_token',
    jwtGate,
    (canary) => signed(canary, { a: '['.repeat(40) + ']'.repeat(40) }),
  ],
  [
    'an alg that is none',
    '401 algorithm_not_allowed',
    jwtGate,
    (canary) => forge.sign(claimsText(), headerText(canary, { alg: canary })),
  ],
  [
    'an extension',
    '401 unsupported_header',
    jwtGate,
    (canary) => forge.sign(claimsText(), headerText(canary, { crit: [canary], [canary]: 1 })),
  ],
  [
    'a foreign typ',
    '401 not_an_access_token',
    jwtGate,
    (canary) => forge.sign(claimsText(), headerText(canary, { typ: canary })),
  ],
  [
    'an unknown key',
    '401 unknown_key',
    jwtGate,
    (canary) => forge.sign(claimsText(), headerText(canary, { kid: canary })),
  ],
  [
    'an unknown key, of keys that were fetched',
    '401 unknown_key',
    answering(200, JSON.stringify(jwks)),
    (canary) => forge.sign(claimsText(), headerText(canary, { kid: canary })),
  ],
  ['a bad signature', '401 invalid_signature', jwtGate, (canary) => signed(canary, {}, other)],
  [
    'another issuer',
    '401 issuer_mismatch',
    jwtGate,
    (canary) => signed(canary, { iss: `"https://${canary}"` }),
  ],
  [
    'another audience',
    '401 audience_mismatch',
    jwtGate,
    (canary) => signed(canary, { aud: `["${canary}"]` }),
  ],
  ['an expired token', '401 expired', jwtGate, (canary) => signed(canary, { exp: '1' })],
  [
    'a token of tomorrow',
    '401 not_yet_valid',
    jwtGate,
    (canary) => signed(canary, { nbf: `${NOW + 86_400}` }),
  ],
  [
    'a token issued tomorrow',
    '401 issued_in_future',
    jwtGate,
    (canary) => signed(canary, { iat: `${NOW + 86_400}` }),
  ],
  ['a token without exp', '401 missing_claim', jwtGate, (canary) => signed(canary, { exp: undefined })],
  [
    'a claim of a wrong form',
    '401 invalid_claim',
    jwtGate,
    (canary) => signed(canary, { nbf: `{"${canary}":1}` }),
  ],
  ['a bound token', '401 missing_proof', jwtGate, (canary) => signed(canary, { cnf: `{"jkt":"${canary}"}` })],
  [
    'too little scope',
    '403 insufficient_scope',
    demanding,
    (canary) => signed(canary, { scope: `"${canary}"` }),
  ],
  [
    'a requirement that throws',
    '503 unavailable',
    (settings) => gateOfForge(forge, { ...settings, requirement: throwing }),
    (canary) => signed(canary),
  ],
  [
    'a clock that throws',
    '503 unavailable',
    (settings) => gateOfForge(forge, { ...settings, now: throwing }),
    (canary) => signed(canary),
  ],
  [
    'a key server that is down',
    '503 unavailable',
    gateWith(() => fetch('http://127.0.0.1:1/jwks')),
    (canary) => signed(canary),
  ],
  ['a key server that fails', '503 unavailable', answering(500, 'no'), (canary) => signed(canary)],
  ['a key server without JSON', '503 unavailable', answering(200, '<html>'), (canary) => signed(canary)],
  ['a key server that throws', '503 unavailable', gateWith(throwing), (canary) => signed(canary)],
  ['a good opaque token', 'ok', lookedUp(() => ({ subject: 'emma' })), opaqueToken],
  ['an unknown opaque token', '401 unknown_token', lookedUp(() => null), opaqueToken],
  [
    'an opaque token that is kept nowhere',
    '401 unknown_token',
    gateOf(opaque({ prefix: 'acme', lookup: () => null })),
    opaqueToken,
  ],
  ['an expired opaque token', '401 expired', lookedUp(() => ({ expiresAt: 1 })), opaqueToken],
  ['a lookup that throws', '503 unavailable', lookedUp(throwing), opaqueToken],
  ['a lookup that rejects', '503 unavailable', lookedUp(async () => throwing()), opaqueToken],
  ['a lookup that gives nothing', '503 unavailable', lookedUp(() => undefined), opaqueToken],
  ['a lookup that gives nonsense', '503 unavailable', lookedUp(() => ({ subject: 7 })), opaqueToken],
  [
    'a lookup that gives what cannot be copied',
    '503 unavailable',
    lookedUp(() => ({ claims: circular() })),
    opaqueToken,
  ],
  ['a verifier that throws', '503 unavailable', gateOf({ verify: throwing }), opaqueToken],
  [
    'a verifier that gives nothing',
    '503 unavailable',
    gateOf({ verify: () => undefined as never }),
    opaqueToken,
  ],
  [
    'a revoked token',
    '401 revoked',
    gateOf({ verify: () => ({ active: false, reason: 'revoked' }) }),
    opaqueToken,
  ],
]

const HEADERS: readonly (readonly [name: string, expected: string, header: (canary: string) => string])[] = [
  ['two tokens', '400 malformed_credentials', (canary) => `Bearer ${canary} ${canary}`],
  ['a token in quotes', '400 malformed_credentials', (canary) => `Bearer "${canary}"`],
  ['a token with a parameter', '400 malformed_credentials', (canary) => `Bearer token=${canary}`],
  ['two lines in one', '400 multiple_credentials', (canary) => `Bearer ${canary}, Bearer ${canary}`],
  ['another scheme', '401 no_credentials', (canary) => `Basic ${base64url(`emma:${canary}`)}`],
  ['a token alone', '401 no_credentials', (canary) => canary],
  ['a token that is too long', '400 credentials_too_long', (canary) => `Bearer ${canary.repeat(400)}`],
]

export const FAILURES: readonly Failure[] = [
  ...TOKENS.map(([name, expected, gate, token]) => ({
    name,
    expected,
    gate,
    header: (canary: string) => `Bearer ${token(canary)}`,
  })),
  ...HEADERS.map(([name, expected, header]) => ({ name, expected, gate: jwtGate, header })),
]

/** The parts of a header that must appear nowhere: what stands between its dots, commas and quotes. */
export function secretsIn(header: string): readonly string[] {
  return header.split(/[ .,="]/).filter((part) => part.length >= 16)
}

function opaqueToken(canary: string): string {
  return `acme_${canary}`
}

function circular(): object {
  const value: Record<string, unknown> = { subject: goodClaims().sub }
  value.self = value
  return value
}
