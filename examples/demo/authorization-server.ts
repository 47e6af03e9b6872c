/** A real authorization server on loopback: oidc-provider, which issues JWT access tokens to its one client. */

import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Configuration, JWKS } from 'oidc-provider'
import { quietly } from './quietly.ts'
import { running } from './running.ts'

export const AUDIENCE = 'https://api.example.com'
export const CLIENT = { id: 'demo-client', secret: 'demo-secret' } as const
const HOUR = 3600

export interface AuthorizationServer {
  readonly issuer: string
  /** Asks the token endpoint for an access token (RFC 6749 §4.4, RFC 8707). */
  issue(scope: string, audience?: string): Promise<string>
  /** An access token like any other of this issuer, that expired an hour ago. */
  issueExpired(scope: string): Promise<string>
  close(): Promise<void>
}

/** @param scopes what the client may ask for, separated by spaces */
export async function startAuthorizationServer(scopes: string): Promise<AuthorizationServer> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'demo-key', alg: 'ES256', use: 'sig' }
  const server = createServer()
  const { origin: issuer, close } = await running(server.listen(0, '127.0.0.1'))
  const provider = await quietly(async () => {
    const { Provider } = await import('oidc-provider')
    return new Provider(issuer, configuration(scopes, { keys: [key] } as JWKS))
  })
  server.on('request', provider.callback())

  return {
    issuer,
    close,
    async issue(scope, audience = AUDIENCE) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
      })
      const { access_token: token } = (await response.json()) as { access_token?: string }
      if (token === undefined) throw new Error(`The token endpoint answered ${response.status}`)
      return token
    },
    issueExpired: (scope) =>
      new SignJWT({ client_id: CLIENT.id, scope, jti: randomUUID() })
        .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setSubject(CLIENT.id)
        .setIssuedAt(new Date(Date.now() - 2 * HOUR * 1000))
        .setExpirationTime(new Date(Date.now() - HOUR * 1000))
        .sign(privateKey),
  }
}

function configuration(scopes: string, jwks: JWKS): Configuration {
  return {
    jwks,
    scopes: scopes.split(' '),
    ttl: { ClientCredentials: HOUR },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: scopes,
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
}
