/** How we prove to an authorization server who asks it (RFC 6749 §2.3, RFC 7523 §2.2). */

import { type CryptoKey, type JWK, SignJWT } from 'jose'
import { assertFunction, assertString, readOptions } from '../../lib/assert.ts'
import { now as systemNow } from '../../lib/clock.ts'
import { uriText } from '../../lib/url.ts'
import { ALGORITHMS } from '../keys/jwk.ts'

/** A request to an authorization server, before it is sent. */
export interface ClientRequest {
  readonly url: string
  readonly headers: Headers
  readonly body: URLSearchParams
}

/** Adds to a request what proves who sends it. What it throws is answered 503. */
export type ClientAuthentication = (request: ClientRequest) => void | Promise<void>

export type SecretMethod = 'client_secret_basic' | 'client_secret_post'

/** @throws TypeError where the secret, or what stands in its place, is missing or impossible */
export function clientAuthentication(options: {
  clientId?: string | undefined
  clientSecret?: string | undefined
  authenticate?: SecretMethod | ClientAuthentication | undefined
}): ClientAuthentication {
  const { clientId, clientSecret, authenticate } = options
  if (typeof authenticate === 'function') {
    if (clientId !== undefined || clientSecret !== undefined)
      throw new TypeError('"clientId", "clientSecret" and a function as "authenticate" exclude each other')
    return assertFunction('authenticate', authenticate, authenticate)
  }
  const id = assertString('clientId', clientId)
  const secret = assertString('clientSecret', clientSecret)
  if (authenticate === 'client_secret_post')
    return ({ body }) => {
      body.set('client_id', id)
      body.set('client_secret', secret)
    }
  if (authenticate !== undefined && authenticate !== 'client_secret_basic')
    throw new TypeError('"authenticate" must be "client_secret_basic", "client_secret_post" or a function')
  const credentials = `Basic ${base64(`${formEncoded(id)}:${formEncoded(secret)}`)}`
  return ({ headers }) => headers.set('authorization', credentials)
}

/** RFC 6749 §2.3.1 and appendix B: as in a form. */
function formEncoded(value: string): string {
  return new URLSearchParams([['', value]]).toString().slice(1)
}

/** Of a text of ASCII. */
function base64(value: string): string {
  return btoa(value)
}

export interface PrivateKeyJwtOptions {
  clientId: string
  /** As a JWK, or imported already. */
  privateKey: JWK | CryptoKey
  /** Default: the `alg` of the JWK. A CryptoKey has none that tells: name it. */
  algorithm?: string | undefined
  /** Which of the client's registered keys it is. Default: the `kid` of the JWK, if it has one. */
  keyId?: string | undefined
  /** The audience of the assertion, any URI or name. Default: the URL of the endpoint (RFC 7523 §3). Many servers want their issuer. */
  audience?: string | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

const LIFETIME = 60
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Authenticates by an assertion that a private key signs, a new one for each request: `private_key_jwt` (OpenID Connect
 * Core §9, RFC 7523 §2.2).
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function privateKeyJwt(options: PrivateKeyJwtOptions): ClientAuthentication {
  const read = readOptions('privateKeyJwt', options, [
    'clientId',
    'privateKey',
    'algorithm',
    'keyId',
    'audience',
    'now',
  ])
  const clientId = assertString('clientId', read.clientId)
  const { privateKey: key } = read
  if (typeof key !== 'object' || key === null)
    throw new TypeError('"privateKey" must be a JWK or a CryptoKey')
  if ('kty' in key && !['d', 'priv'].some((name) => Object.hasOwn(key, name)))
    throw new TypeError('"privateKey" must be a private key: this JWK is a public one')
  const { alg, kid } = key as JWK
  const keyId = read.keyId === undefined ? kid : assertString('keyId', read.keyId)
  const algorithm = assertString('algorithm', read.algorithm ?? alg)
  if (!ALGORITHMS.some((name) => name === algorithm && !name.startsWith('HS')))
    throw new TypeError('"algorithm" must be a signature algorithm with a private key, such as "ES256"')
  const audience = read.audience === undefined ? undefined : uriText('audience', read.audience)
  const now = assertFunction('now', read.now, systemNow)
  const header = { alg: algorithm, ...(typeof keyId === 'string' && { kid: keyId }) }
  return async ({ url, body }) => {
    const issuedAt = Math.floor(now() / 1000)
    const assertion = await new SignJWT()
      .setProtectedHeader(header)
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(audience ?? url)
      .setJti(crypto.randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFETIME)
      .sign(key)
    body.set('client_id', clientId)
    body.set('client_assertion_type', ASSERTION)
    body.set('client_assertion', assertion)
  }
}
