/** One authorization server on loopback: metadata, a key set, tokens signed with real keys, an outage, and counts. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose'
import { listen } from '../support/server.ts'

export const ALGS = ['RS256', 'ES256', 'EdDSA', 'PS256'] as const
export type Alg = (typeof ALGS)[number]
/** Those that every peer is told to take: not all know EdDSA. */
export const COMMON_ALGS = ['RS256', 'ES256'] as const

/** What every peer is told. */
export interface Setup {
  readonly issuer: string
  readonly audience: string
  readonly jwksUri: string
  /** The tokens that a peer without a key source finds in its memory. */
  readonly tokens: readonly string[]
}

export interface Authority {
  readonly setup: Setup
  readonly jwks: JSONWebKeySet
  /** How often each document was fetched. */
  readonly fetches: { metadata: number; keys: number }
  /** What every request is answered with, 200 until it is changed. */
  status: number
  mint(alg: Alg, claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** A token that is good but for its key, which nobody has ever published. */
  forge(kid: string): Promise<string>
  close(): Promise<void>
}

const AUDIENCE = 'https://api.example.com'

export async function startAuthority(): Promise<Authority> {
  const fetches = { metadata: 0, keys: 0 }
  const pairs = {
    RS256: await generateKeyPair('RS256'),
    ES256: await generateKeyPair('ES256'),
    EdDSA: await generateKeyPair('EdDSA'),
    PS256: await generateKeyPair('PS256'),
  }
  const stranger = await generateKeyPair('RS256')
  const jwks: JSONWebKeySet = {
    keys: await Promise.all(
      ALGS.map(async (alg) => ({ ...(await exportJWK(pairs[alg].publicKey)), kid: alg, alg, use: 'sig' })),
    ),
  }

  const server = await listen((request, response) => serve(request, response))
  const issuer = server.origin
  const setup = { issuer, audience: AUDIENCE, jwksUri: `${issuer}/.well-known/jwks.json`, tokens: [] }

  /** The claims of an access token by RFC 9068. Its `typ` is `JWT` all the same: not every peer takes `at+jwt` by default. */
  function claims(): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000)
    return {
      iss: issuer,
      aud: AUDIENCE,
      sub: '7d1f2c9e-4b57-4c3e-9a43-0f1a6d2b8c55',
      client_id: 'b2f7a0c4-web',
      scope: 'openid profile email read:messages write:messages',
      iat: now - 10,
      exp: now + 7200,
      jti: crypto.randomUUID(),
    }
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/introspect') {
      introspect(request, response)
      return
    }
    const isKeys = request.url?.replace(/\?.*/, '') === '/.well-known/jwks.json'
    fetches[isKeys ? 'keys' : 'metadata'] += 1
    const body = authority.status !== 200 ? { error: 'unavailable' } : isKeys ? jwks : metadata(issuer)
    response.writeHead(authority.status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

  /** Every token is good (RFC 7662 §2.2). */
  function introspect(request: IncomingMessage, response: ServerResponse): void {
    request.resume().on('end', () => {
      const answer = JSON.stringify({ active: true, ...claims() })
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    })
  }

  const authority: Authority = {
    setup,
    jwks,
    fetches,
    status: 200,
    mint: (alg, changed) =>
      new SignJWT({ ...claims(), ...changed })
        .setProtectedHeader({ typ: 'JWT', alg, kid: alg })
        .sign(pairs[alg].privateKey),
    forge: (kid) =>
      new SignJWT(claims()).setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid }).sign(stranger.privateKey),
    close: () => server.close(),
  }
  return authority
}

/** One document for both of its places: RFC 8414 and OpenID Connect Discovery. */
function metadata(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: COMMON_ALGS,
  }
}
