/** A real authorization server on loopback: oidc-provider, which issues JWT access tokens to its one client. */

import { randomUUID } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Configuration, JWKS } from 'oidc-provider'
import { quietly } from './quietly.ts'
import { running } from './running.ts'

export const AUDIENCE = 'https://api.example.com'
export const CLIENT = { id: 'demo-client', secret: 'demo-secret' } as const
const HOUR = 3600

/** `up`: it answers. `stopped`: it ends each connection. `hanging`: it accepts requests and never answers. */
export type ServerState = 'up' | 'stopped' | 'hanging'

export interface AuthorizationServer {
  readonly issuer: string
  /** Asks the token endpoint for an access token (RFC 6749 §4.4, RFC 8707). */
  issue(scope: string, audience?: string): Promise<string>
  /** An access token like any other of this issuer, that expired an hour ago. */
  issueExpired(scope: string): Promise<string>
  readonly state: ServerState
  /** Makes the server fail, or work again. */
  become(state: ServerState): void
  /** The names of the published keys. The first one signs. */
  readonly keys: readonly string[]
  /** Signs with a new key from now on, and still publishes the former ones. */
  rotateKeys(): Promise<void>
  /** Publishes only the key that signs: tokens of the former ones lose their key. */
  removeFormerKeys(): Promise<void>
  /** Called with the `User-Agent` of each request for the key set. */
  onKeyRequest: (userAgent: string) => void
  close(): Promise<void>
}

interface SigningKey {
  readonly privateKey: CryptoKey
  readonly jwk: { readonly kid: string; readonly alg: string }
}

/**
 * @param scopes what the client may ask for, separated by spaces
 * @param lifetime of access tokens. In seconds
 */
export async function startAuthorizationServer(
  scopes: string,
  lifetime = HOUR,
): Promise<AuthorizationServer> {
  let state: ServerState = 'up'
  let answer: RequestListener = () => {}
  let keys: readonly [SigningKey, ...SigningKey[]] = [await createKey('demo-key')]
  const http = createServer()
  const { origin: issuer, close } = await running(http.listen(0, '127.0.0.1'))

  /** The keys of a provider cannot change, so a change makes a new one. */
  async function publish(next: typeof keys): Promise<void> {
    const jwks = { keys: next.map(({ jwk }) => jwk) } as JWKS
    const provider = await quietly(async () => {
      const { Provider } = await import('oidc-provider')
      return new Provider(issuer, configuration(scopes, lifetime, jwks))
    })
    keys = next
    answer = provider.callback()
  }

  const server: AuthorizationServer = {
    issuer,
    close,
    get state() {
      return state
    },
    become(next) {
      state = next
      if (next !== 'hanging') http.closeAllConnections()
    },
    get keys() {
      return keys.map(({ jwk }) => jwk.kid)
    },
    rotateKeys: async () => publish([await createKey(`demo-key-${randomUUID().slice(0, 4)}`), ...keys]),
    removeFormerKeys: () => publish([keys[0]]),
    onKeyRequest: () => {},
    async issue(scope, audience = AUDIENCE) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
        signal: AbortSignal.timeout(5000),
      })
      const { access_token: token } = (await response.json()) as { access_token?: string }
      if (token === undefined) throw new Error(`The token endpoint answered ${response.status}`)
      return token
    },
    issueExpired: (scope) =>
      new SignJWT({ client_id: CLIENT.id, scope, jti: randomUUID() })
        .setProtectedHeader({ alg: keys[0].jwk.alg, kid: keys[0].jwk.kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setSubject(CLIENT.id)
        .setIssuedAt(new Date(Date.now() - 2 * HOUR * 1000))
        .setExpirationTime(new Date(Date.now() - HOUR * 1000))
        .sign(keys[0].privateKey),
  }
  await publish(keys)
  http.on('request', (request, response) => {
    if (request.url === '/jwks') server.onKeyRequest(request.headers['user-agent'] ?? '')
    if (state === 'stopped') request.socket.destroy()
    else if (state === 'up') answer(request, response)
  })
  return server
}

async function createKey(kid: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' } as never }
}

function configuration(scopes: string, lifetime: number, jwks: JWKS): Configuration {
  return {
    jwks,
    scopes: scopes.split(' '),
    ttl: { ClientCredentials: lifetime },
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
