/** Authenticates this API to an authorization server (RFC 6749 §2.3, RFC 7523 §2.2). */

import { type CryptoKey, type JWK, SignJWT } from 'jose'
import { assertFunction, assertString, readOptions } from '../../lib/assert.ts'
import { assertClock } from '../../lib/clock.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { uriText } from '../../lib/url.ts'
import { ALGORITHMS } from '../keys/jwk.ts'

/** A request to an authorization server that is about to be sent. */
export interface ClientRequest {
  readonly url: string
  readonly headers: Headers
  readonly body: URLSearchParams
}

/** Adds the credentials of this API to a request. If it throws or rejects, the answer is 503. */
export type ClientAuthentication = (request: ClientRequest) => void | Promise<void>

/** How a client secret is sent: in the `Authorization` header, or in the form (RFC 6749 §2.3.1). */
export type SecretMethod = 'client_secret_basic' | 'client_secret_post'

/**
 * Creates the function that adds the configured credentials to a request.
 * @throws TypeError if an option is missing or invalid
 */
export function clientAuthentication(options: {
  clientId?: string | undefined
  clientSecret?: string | undefined
  authenticate?: SecretMethod | ClientAuthentication | undefined
}): ClientAuthentication {
  const { clientId, clientSecret, authenticate } = options
  if (typeof authenticate === 'function') {
    if (clientId !== undefined || clientSecret !== undefined)
      throw configurationError(
        'CONFLICTING_OPTIONS',
        '"clientId" and "clientSecret" cannot be combined with a function as "authenticate"',
      )
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
    throw configurationError(
      'INVALID_OPTION',
      '"authenticate" must be "client_secret_basic", "client_secret_post" or a function',
    )
  const credentials = `Basic ${btoa(`${formEncoded(id)}:${formEncoded(secret)}`)}`
  return ({ headers }) => headers.set('authorization', credentials)
}

/** Encodes a value as in a form (RFC 6749 §2.3.1, appendix B). */
function formEncoded(value: string): string {
  return new URLSearchParams([['', value]]).toString().slice(1)
}

export interface PrivateKeyJwtOptions {
  /** The client id of this API at the authorization server. */
  clientId: string
  /** A private JWK, or an imported key. */
  privateKey: JWK | CryptoKey
  /** The signature algorithm, such as `ES256`. Default: the `alg` of the JWK. Required for a `CryptoKey`. */
  algorithm?: string | undefined
  /** The key id under which the key is registered at the server. Default: the `kid` of the JWK, if it has one. */
  keyId?: string | undefined
  /**
   * The audience of the assertion (RFC 7523 §3). Any text that consists of the characters of a URI. Default: the URL of the
   * endpoint. Many servers accept only the URL of their issuer here.
   */
  audience?: string | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/** How long an assertion is valid. In seconds. */
const LIFETIME = 60
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Authenticates this API by `private_key_jwt`: each request contains a new assertion, signed with a private key (OpenID
 * Connect Core §9, RFC 7523 §2.2).
 *
 * @example
 * introspection({ issuer, audience, authenticate: privateKeyJwt({ clientId: 'api', privateKey: jwk }) })
 * @throws TypeError if an option is unknown, missing or invalid
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
    throw configurationError('INVALID_KEY', '"privateKey" must be a JWK or a CryptoKey')
  if ('kty' in key && !['d', 'priv'].some((name) => Object.hasOwn(key, name)))
    throw configurationError('INVALID_KEY', '"privateKey" must be a private key: this JWK is a public one')
  const { alg, kid } = key as JWK
  const keyId = read.keyId === undefined ? kid : assertString('keyId', read.keyId)
  const algorithm = assertString('algorithm', read.algorithm ?? alg)
  if (!ALGORITHMS.some((name) => name === algorithm && !name.startsWith('HS')))
    throw configurationError(
      'INVALID_ALGORITHM',
      '"algorithm" must be a signature algorithm with a private key, such as "ES256"',
    )
  const audience = read.audience === undefined ? undefined : uriText('audience', read.audience)
  const now = assertClock(read.now)
  const header = { alg: algorithm, ...(typeof keyId === 'string' && { kid: keyId }) }
  const authenticate: ClientAuthentication = async ({ url, body }) => {
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
  clientIds.set(authenticate, clientId)
  return authenticate
}

/** The clients that the functions of `privateKeyJwt` authenticate. */
const clientIds = new WeakMap<object, string>()

/** Returns the client id that a function authenticates. `undefined` if it is not one of `privateKeyJwt`. */
export function clientIdOf(authenticate: unknown): string | undefined {
  return typeof authenticate === 'function' ? clientIds.get(authenticate) : undefined
}
