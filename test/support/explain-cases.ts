/** Bad tokens and configurations, each with the cause that `gate.explain` must name, and what it must say to correct it. */

import '@bearergate/core/explain'
import { createHmac } from 'node:crypto'
import {
  chain,
  createGate,
  type Gate,
  generateToken,
  introspection,
  type JwtSettings,
  multiIssuerJwt,
  opaque,
  type RequestLike,
  scope,
  staticTokens,
} from '@bearergate/core'
import type { CheckName } from '@bearergate/core/adapter'
import { entra } from '@bearergate/core/presets'
import { base64url, requestWith } from './forge.ts'
import { AUDIENCE, createKey, goodClaims, ISSUER, NOW } from './issuer.ts'

export const key = await createKey('ES256')
const rsa = await createKey('RS256')
const now = () => NOW * 1000
export const TENANT = '11111111-2222-3333-4444-555555555555'
const OTHER_TENANT = '99999999-2222-3333-4444-555555555555'
const V1 = `https://sts.windows.net/${TENANT}/`
export const V2 = `https://login.microsoftonline.com/${TENANT}/v2.0`

type Options = Partial<JwtSettings> & Record<string, unknown>

export function gateOf(options: Options = {}): Gate {
  const given = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] }, now, ...options }
  return createGate(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never,
  )
}

export const good = await key.sign()
const [head, body, signature] = good.split('.') as [string, string, string]
const hmac = (secret: string, header = { alg: 'HS256', typ: 'JWT' }) => {
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(goodClaims()))}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const SECRET = 'a secret of this API that is long enough'
const without = (name: string) => key.sign({ [name]: undefined })
const opaqueGate = createGate({ verifier: opaque({ prefix: 'acme', lookup: () => null }) })

export interface Case {
  readonly name: string
  readonly gate?: Gate
  readonly given: string | Promise<string> | RequestLike
  readonly check: CheckName
  readonly cause: RegExp
  readonly fix: RegExp
}

/** What a client sends in `Authorization`. */
function field(value: string | readonly string[], more: Partial<RequestLike> = {}): RequestLike {
  return { header: (name) => (name === 'authorization' ? value : undefined), ...more }
}

export const CASES: readonly Case[] = [
  // The request
  {
    name: 'no token',
    given: { header: () => undefined },
    check: 'credentials',
    cause: /no token/,
    fix: /Bearer/,
  },
  {
    name: 'Basic',
    given: field('Basic YTpi'),
    check: 'credentials',
    cause: /another scheme/,
    fix: /Bearer <token>/,
  },
  {
    name: 'the token without a scheme',
    given: field(good),
    check: 'credentials',
    cause: /without the scheme/,
    fix: /Bearer <token>/,
  },
  {
    name: 'the scheme with a colon',
    given: field(`Bearer: ${good}`),
    check: 'credentials',
    cause: /not exactly "Bearer"/,
    fix: /without a colon/,
  },
  {
    name: 'the scheme alone',
    given: field('Bearer '),
    check: 'credentials',
    cause: /stands alone/,
    fix: /variable/,
  },
  {
    name: 'Bearer twice',
    given: field(`Bearer Bearer ${good}`),
    check: 'credentials',
    cause: /comes twice/,
    fix: /only the token/,
  },
  {
    name: 'quotation marks',
    given: field(`Bearer "${good}"`),
    check: 'credentials',
    cause: /quotation marks/,
    fix: /Remove them/,
  },
  {
    name: 'a line break of a terminal',
    given: `${good.slice(0, 80)}\n${good.slice(80)}`,
    check: 'credentials',
    cause: /line break/,
    fix: /Join the lines/,
  },
  {
    name: 'a space',
    given: field(`Bearer ${good.slice(0, 80)} ${good.slice(80)}`),
    check: 'credentials',
    cause: /space in the token/,
    fix: /Remove the space/,
  },
  {
    name: 'a URL-encoded token',
    given: good.replaceAll('.', '%2E'),
    check: 'credentials',
    cause: /URL-encoded/,
    fix: /Decode it once/,
  },
  {
    name: 'a variable that is not set',
    given: field('Bearer undefined'),
    check: 'format',
    cause: /placeholder/,
    fix: /variable/,
  },
  {
    name: 'a template',
    given: field('Bearer <token>'),
    check: 'credentials',
    cause: /placeholder/,
    fix: /variable/,
  },
  {
    name: 'the whole token response',
    given: `{"access_token":"${good}"}`,
    check: 'credentials',
    cause: /JSON/,
    fix: /access_token/,
  },
  {
    name: 'a shortened token',
    given: `${good.slice(0, 40)}...`,
    check: 'format',
    cause: /shortened/,
    fix: /Copy the whole/,
  },
  { name: 'a comma after the token', given: `${good},`, check: 'credentials', cause: /comma/, fix: /Remove/ },
  {
    name: 'a character that cannot be seen',
    given: `\ufeff${good}`,
    check: 'credentials',
    cause: /cannot be seen/,
    fix: /plain text/,
  },
  {
    name: 'several header lines',
    given: field([`Bearer ${good}`, 'Bearer x']),
    check: 'credentials',
    cause: /several lines/,
    fix: /Remove one/,
  },
  {
    name: 'a token in two places',
    gate: gateOf({ tokenFrom: { header: true, query: true } }),
    given: field(`Bearer ${good}`, { url: '/?access_token=x' }),
    check: 'credentials',
    cause: /more than one token/,
    fix: /tokenFrom\.first/,
  },
  {
    name: 'a token in the query',
    given: field([], { url: `/?access_token=${good}`, header: () => undefined }),
    check: 'credentials',
    cause: /query/,
    fix: /query: true/,
  },
  {
    name: 'a token in a cookie',
    given: field('', { header: (name) => (name === 'cookie' ? `token=${good}` : undefined) }),
    check: 'credentials',
    cause: /cookie/,
    fix: /tokenFrom/,
  },
  {
    name: 'a header that is not read',
    gate: gateOf({ tokenFrom: { header: false, cookie: 'session' } }),
    given: field(`Bearer ${good}`),
    check: 'credentials',
    cause: /elsewhere/,
    fix: /tokenFrom/,
  },
  {
    name: 'a token that is too long',
    given: 'a'.repeat(9000),
    check: 'credentials',
    cause: /maxTokenLength/,
    fix: /maxTokenLength/,
  },
  {
    name: 'plain http',
    gate: gateOf({ requireTls: true }),
    given: requestWith(good),
    check: 'transport',
    cause: /TLS/,
    fix: /https/,
  },
  // The text of the token
  {
    name: 'an opaque token at a gate for JWTs',
    given: 'ya29.a0AfH6SMB0'.replaceAll('.', '-').padEnd(60, 'x'),
    check: 'format',
    cause: /opaque/,
    fix: /introspection/,
  },
  {
    name: 'an encrypted token',
    given: `${base64url('{"alg":"RSA-OAEP","enc":"A128GCM"}')}.AA.AA.AA.AA`,
    check: 'format',
    cause: /encrypted/,
    fix: /./,
  },
  {
    name: 'a token without its end',
    given: `${head}.${body}`,
    check: 'format',
    cause: /cut off/,
    fix: /Copy the whole/,
  },
  {
    name: 'a token without its signature',
    given: `${head}.${body}.`,
    check: 'format',
    cause: /no signature/,
    fix: /signed/,
  },
  {
    name: 'padded base64',
    given: `${head}.${body}=.${signature}`,
    check: 'credentials',
    cause: /padding/,
    fix: /RFC 7515/,
  },
  { name: 'an SD-JWT', given: `${good}~`, check: 'format', cause: /SD-JWT/, fix: /access token/ },
  { name: 'a changed header', given: `x${good}`, check: 'format', cause: /cannot be decoded/, fix: /Copy/ },
  {
    name: 'an opaque token with a dot',
    given: `ya29.${'a0AfH6SMB'.repeat(6)}`,
    check: 'format',
    cause: /opaque/,
    fix: /introspection/,
  },
  {
    name: 'a PASETO token',
    given: `v2.local.${'QAxIpVe-ECVNI1z4xQbm'.repeat(3)}.Zm9v`,
    check: 'format',
    cause: /opaque/,
    fix: /introspection/,
  },
  {
    name: 'an ID token without a nonce',
    given: key.sign(
      { aud: 'spa', email: 'e@example.com', client_id: undefined, scope: undefined },
      { typ: 'JWT' },
    ),
    check: 'audience',
    cause: /looks like an ID token/,
    fix: /"access_token"/,
  },
  {
    name: 'a token of another tenant and version of Entra',
    gate: gateOf({ issuer: V2 }),
    given: key.sign({ iss: V1.replace(TENANT, OTHER_TENANT) }),
    check: 'issuer',
    cause: /version 1\.0.*another tenant/,
    fix: /requestedAccessTokenVersion/,
  },
  // The header
  {
    name: 'a shared secret at a gate with keys',
    given: hmac(SECRET),
    check: 'header',
    cause: /shared secret/,
    fix: /RS256|secret/,
  },
  {
    name: 'a key pair at a gate with a secret',
    gate: gateOf({ keys: undefined, secret: SECRET }),
    given: good,
    check: 'header',
    cause: /private key/,
    fix: /Remove "secret"/,
  },
  {
    name: 'alg none',
    given: `${base64url('{"alg":"none"}')}.${body}.AA`,
    check: 'header',
    cause: /not signed/,
    fix: /signed/,
  },
  {
    name: 'an algorithm that is not allowed',
    gate: gateOf({ algorithms: ['RS256'], keys: { keys: [rsa.jwk] } }),
    given: good,
    check: 'header',
    cause: /does not allow/,
    fix: /algorithms: \['ES256'\]/,
  },
  {
    name: 'a crit header',
    given: key
      .sign({}, { crit: ['x'], x: 1 })
      .catch(() => `${base64url('{"alg":"ES256","crit":["x"]}')}.${body}.${signature}`),
    check: 'header',
    cause: /crit|meaning/,
    fix: /./,
  },
  // The kind of the token
  {
    name: 'an ID token',
    given: key.sign({ nonce: 'n', aud: 'web' }, { typ: 'JWT' }),
    check: 'type',
    cause: /ID token/,
    fix: /"access_token"/,
  },
  {
    name: 'a refresh token',
    given: key.sign({ typ: 'Refresh' }, { typ: 'JWT' }),
    check: 'type',
    cause: /refresh token/,
    fix: /access_token/,
  },
  {
    name: 'a logout token',
    given: key.sign({ events: {} }, { typ: 'logout+jwt' }),
    check: 'type',
    cause: /logout token/,
    fix: /access token/,
  },
  {
    name: 'a DPoP proof',
    given: key.sign({ htm: 'GET', htu: 'x' }, { typ: 'dpop+jwt' }),
    check: 'type',
    cause: /DPoP proof/,
    fix: /Authorization/,
  },
  {
    name: 'a typ that RFC 9068 does not allow',
    gate: gateOf({ profile: 'rfc9068' }),
    given: key.sign({}, { typ: 'JWT' }),
    check: 'type',
    cause: /RFC 9068/,
    fix: /profile/,
  },
  // The claims
  { name: 'no exp', given: without('exp'), check: 'required', cause: /exp is missing/, fix: /issuer/ },
  {
    name: 'dates in milliseconds',
    given: key.sign({ exp: (NOW + 600) * 1000 }),
    check: 'form',
    cause: /milliseconds/,
    fix: /Math\.floor/,
  },
  {
    name: 'a trailing slash in iss',
    given: key.sign({ iss: `${ISSUER}/` }),
    check: 'issuer',
    cause: /trailing slash/,
    fix: /Set issuer: "https:\/\/id\.example\.com\/"/,
  },
  {
    name: 'http instead of https in iss',
    given: key.sign({ iss: ISSUER.replace('https', 'http') }),
    check: 'issuer',
    cause: /http and https/,
    fix: /Set issuer/,
  },
  {
    name: 'upper case in iss',
    given: key.sign({ iss: ISSUER.toUpperCase() }),
    check: 'issuer',
    cause: /upper and lower/,
    fix: /Set issuer/,
  },
  {
    name: 'Entra v1.0 at a gate for v2.0',
    gate: gateOf({ issuer: V2 }),
    given: key.sign({ iss: V1 }),
    check: 'issuer',
    cause: /version 1\.0 .* expects version 2\.0/,
    fix: /requestedAccessTokenVersion.* 2/,
  },
  {
    name: 'Entra v2.0 at a gate for v1.0',
    gate: gateOf({ issuer: V1 }),
    given: key.sign({ iss: V2 }),
    check: 'issuer',
    cause: /version 2\.0 .* expects version 1\.0/,
    fix: /requestedAccessTokenVersion.* 1/,
  },
  {
    name: 'another tenant of Entra',
    gate: gateOf({ issuer: V2 }),
    given: key.sign({ iss: V2.replace(TENANT, OTHER_TENANT) }),
    check: 'issuer',
    cause: /another tenant/,
    fix: /entra\(\)/,
  },
  {
    name: 'the common tenant of Entra',
    gate: gateOf({ issuer: 'https://login.microsoftonline.com/common/v2.0' }),
    given: key.sign({ iss: V2 }),
    check: 'issuer',
    cause: /all tenants/,
    fix: new RegExp(TENANT),
  },
  {
    name: 'one issuer under two hosts',
    gate: gateOf({ issuer: 'http://keycloak:8080/realms/a', allowHttp: ['keycloak'] }),
    given: key.sign({ iss: 'http://localhost:8080/realms/a' }),
    check: 'issuer',
    cause: /two hosts/,
    fix: /jwksUri/,
  },
  {
    name: 'another realm',
    gate: gateOf({ issuer: `${ISSUER}/realms/a` }),
    given: key.sign({ iss: `${ISSUER}/realms/b` }),
    check: 'issuer',
    cause: /another realm/,
    fix: /realm/,
  },
  {
    name: 'another issuer',
    given: key.sign({ iss: 'https://other.example.org' }),
    check: 'issuer',
    cause: /another issuer/,
    fix: /multiIssuerJwt/,
  },
  {
    name: 'a trailing slash in aud',
    given: key.sign({ aud: `${AUDIENCE}/` }),
    check: 'audience',
    cause: /trailing slash/,
    fix: /Set audience: "https:\/\/api\.example\.com\/"/,
  },
  {
    name: 'the client as the audience',
    given: key.sign({ aud: 'web' }),
    check: 'audience',
    cause: /its own client/,
    fix: /access token/,
  },
  {
    name: 'the option audience set to the client',
    gate: gateOf({ audience: 'web' }),
    given: good,
    check: 'audience',
    cause: /id of the client/,
    fix: /identifier of this API/,
  },
  {
    name: 'the audience account of Keycloak',
    given: key.sign({ aud: 'account' }),
    check: 'audience',
    cause: /account console/,
    fix: /audience mapper/,
  },
  {
    name: 'the audience of UserInfo',
    given: key.sign({ aud: `${ISSUER}/userinfo` }),
    check: 'audience',
    cause: /UserInfo/,
    fix: /Auth0/,
  },
  {
    name: 'Microsoft Graph',
    given: key.sign({ aud: 'https://graph.microsoft.com' }),
    check: 'audience',
    cause: /Graph/,
    fix: /\.default/,
  },
  {
    name: 'the id instead of the URI of an application',
    gate: gateOf({ audience: TENANT }),
    given: key.sign({ aud: `api://${TENANT}` }),
    check: 'audience',
    cause: /one by its id and one by its URI/,
    fix: /api:/,
  },
  { name: 'no aud', given: without('aud'), check: 'audience', cause: /no "aud"/, fix: /Cognito/ },
  {
    name: 'another API',
    given: key.sign({ aud: 'https://billing.example.com' }),
    check: 'audience',
    cause: /another API/,
    fix: /Request a token for/,
  },
  {
    name: 'a token that just expired',
    given: key.sign({ exp: NOW - 45 }),
    check: 'dates',
    cause: /expired 45 s ago.*about 45 s ahead/,
    fix: /NTP/,
  },
  {
    name: 'a token that expired long ago',
    given: key.sign({ exp: NOW - 7200, iat: NOW - 7230 }),
    check: 'dates',
    cause: /expired 7200 s \(about 2 h\) ago/,
    fix: /refresh token.*30 s only/,
  },
  {
    name: 'a clock that is behind',
    given: key.sign({ iat: NOW + 95, exp: NOW + 700 }),
    check: 'dates',
    cause: /issuer is about 95 s ahead/,
    fix: /clockTolerance/,
  },
  {
    name: 'a token for tomorrow',
    given: key.sign({ nbf: NOW + 86_400, exp: NOW + 90_000 }),
    check: 'dates',
    cause: /in 86400 s \(about 24 h\)/,
    fix: /clock/,
  },
  {
    name: 'maxTokenAge',
    gate: gateOf({ maxTokenAge: 60 }),
    given: key.sign({ iat: NOW - 500 }),
    check: 'dates',
    cause: /maxTokenAge/,
    fix: /^$/,
  },
  // Keys and signature
  {
    name: 'a key that was rotated away',
    gate: gateOf(),
    given: key.sign({}, { kid: 'former' }),
    check: 'key',
    cause: /No configured key/,
    fix: /jwksUri/,
  },
  {
    name: 'a key without alg',
    gate: gateOf({ keys: { keys: [{ ...rsa.jwk, alg: undefined }] as never } }),
    given: (await createKey('PS256')).sign({}, { kid: rsa.kid }),
    check: 'key',
    cause: /another algorithm/,
    fix: /algorithms: \['PS256'\]/,
  },
  {
    name: 'a key for another algorithm',
    gate: gateOf({ keys: { keys: [{ ...rsa.jwk, kid: 'x' }] as never } }),
    given: key.sign({}, { kid: undefined }),
    check: 'key',
    cause: /no key of the set is for ES256/,
    fix: /issuer/,
  },
  {
    name: 'a signature without its end',
    given: `${head}.${body}.${signature.slice(0, 40)}`,
    check: 'signature',
    cause: /30 bytes instead of 64: the token was cut off/,
    fix: /Copy the whole/,
  },
  {
    name: 'a tampered token',
    given: `${head}.${base64url(JSON.stringify({ ...goodClaims(), sub: 'admin' }))}.${signature}`,
    check: 'signature',
    cause: /does not match.*changed after it was signed/,
    fix: /environment/,
  },
  {
    name: 'another secret',
    gate: gateOf({ keys: undefined, secret: SECRET }),
    given: hmac(`${SECRET} `),
    check: 'signature',
    cause: /secret/,
    fix: /base64/,
  },
  // The identity
  {
    name: 'requiredClaims',
    gate: gateOf({ requiredClaims: { tenant: 'acme' } }),
    given: good,
    check: 'claims',
    cause: /tenant/,
    fix: /issuer|option/,
  },
  {
    name: 'a bound token',
    given: key.sign({ cnf: { jkt: 'x' } }),
    check: 'proof',
    cause: /bound to a key/,
    fix: /DPoP/,
  },
  {
    name: 'isRevoked',
    gate: gateOf({ isRevoked: () => true }),
    given: good,
    check: 'revocation',
    cause: /revoked/,
    fix: /new token/,
  },
  {
    name: 'a scope that is missing',
    gate: gateOf({ requirement: scope('admin') }),
    given: good,
    check: 'requirement',
    cause: /scope admin/,
    fix: /scope/,
  },
  {
    name: 'no user',
    gate: gateOf({ loadUser: () => null }),
    given: good,
    check: 'user',
    cause: /no user/,
    fix: /identity\.subject/,
  },
  // Other verifiers
  {
    name: 'a variable that is not set, at a gate for opaque tokens',
    gate: createGate({ verifier: opaque({ lookup: () => null }) }),
    given: 'undefined',
    check: 'lookup',
    cause: /placeholder/,
    fix: /variable/,
  },
  {
    name: 'a JWT at a gate for opaque tokens',
    gate: createGate({ verifier: opaque({ lookup: () => null }) }),
    given: good,
    check: 'lookup',
    cause: /is a JWT/,
    fix: /chain\(jwt/,
  },
  {
    name: 'another prefix',
    gate: opaqueGate,
    given: 'other_abcdefghijklmnop',
    check: 'lookup',
    cause: /does not begin/,
    fix: /prefix/,
  },
  {
    name: 'a token that the store does not know',
    gate: opaqueGate,
    given: generateToken('acme'),
    check: 'lookup',
    cause: /is unknown/,
    fix: /new token/,
  },
  {
    name: 'a token that is not in the list',
    gate: createGate({ verifier: staticTokens([{ token: 'a-token-of-the-configured-list', subject: 'x' }]) }),
    given: 'another-token-of-the-same-kind',
    check: 'lookup',
    cause: /is unknown/,
    fix: /new token/,
  },
  {
    name: 'a token that introspection calls inactive',
    gate: createGate({
      verifier: introspection({
        endpoint: `${ISSUER}/introspect`,
        clientId: 'api',
        clientSecret: 's',
        audience: null,
        fetch: async () => Response.json({ active: false }),
      }),
    }),
    given: 'opaque-token',
    check: 'introspection',
    cause: /not active/,
    fix: /realm|endpoint/,
  },
  {
    name: 'an issuer that is not in the list',
    gate: createGate({
      verifier: multiIssuerJwt([{ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } }]),
    }),
    given: key.sign({ iss: `${ISSUER}/` }),
    check: 'issuer',
    cause: /trailing slash/,
    fix: /Set issuer/,
  },
  {
    name: 'a token that no verifier of a chain is for',
    gate: createGate({
      verifier: chain(
        entra({ tenant: TENANT, audience: 'a', version: 2 }),
        opaque({ prefix: 'acme', lookup: () => null }),
      ),
    }),
    given: good,
    check: 'issuer',
    cause: /another issuer/,
    fix: /multiIssuerJwt/,
  },
  {
    name: 'an opaque token that no verifier of a chain is for',
    gate: createGate({
      verifier: chain(
        opaque({ prefix: 'acme', lookup: () => null }),
        opaque({ prefix: 'beta', lookup: () => null }),
      ),
    }),
    given: 'other_abcdefghijklmnopqrstuvwxyz',
    check: 'verifier',
    cause: /None of the verifiers/,
    fix: /chain/,
  },
  {
    name: 'a trailing slash in iss, at a chain',
    gate: createGate({
      verifier: chain(
        multiIssuerJwt([{ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] as never } }]),
        opaque({ prefix: 'acme', lookup: () => null }),
      ),
    }),
    given: key.sign({ iss: `${ISSUER}/` }),
    check: 'issuer',
    cause: /trailing slash/,
    fix: /Set issuer/,
  },
  {
    name: 'the same path at another public host',
    gate: gateOf({ issuer: 'https://id.example.com/oauth2/default' }),
    given: key.sign({ iss: 'https://evil.example/oauth2/default' }),
    check: 'issuer',
    cause: /another issuer/,
    fix: /Get the token from/,
  },
]
