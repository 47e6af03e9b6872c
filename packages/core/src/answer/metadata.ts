/** Publishes the metadata of a protected resource, from which clients learn who issues tokens for it (RFC 9728). */

import { assertString, readOptions } from '../lib/assert.ts'
import { assertCalled } from '../lib/called.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { isIssuer, parseIssuer, secureUrl } from '../lib/url.ts'
import type { TokenSources } from '../model/credentials.ts'
import { type RequestLike, requestTarget } from '../request/request.ts'
import { askedFor } from './challenge.ts'

/** The metadata of a protected resource (RFC 9728 §2). A member name may end with `#` and a language tag (§2.1). */
export interface ResourceMetadata {
  /** The identifier of the resource: a URL with https, or http on loopback, without query and fragment. */
  readonly resource: string
  /**
   * The issuers from which clients get tokens: https URLs (or http on loopback) without query. Default: those issuers of the
   * gate that have this form.
   */
  readonly authorization_servers?: readonly string[]
  /** The scopes that clients can ask for. Default: the scopes of the gate's `requirement`. In both cases `offline_access` is left out. */
  readonly scopes_supported?: readonly string[]
  /** The places in which clients can send the token (RFC 6750 §2). Default: the places in the gate's `tokenFrom`. */
  readonly bearer_methods_supported?: readonly ('header' | 'body' | 'query')[]
  readonly jwks_uri?: string
  readonly resource_signing_alg_values_supported?: readonly string[]
  readonly resource_name?: string
  readonly resource_documentation?: string
  readonly resource_policy_uri?: string
  readonly resource_tos_uri?: string
  readonly tls_client_certificate_bound_access_tokens?: boolean
  readonly authorization_details_types_supported?: readonly string[]
  readonly dpop_signing_alg_values_supported?: readonly string[]
  readonly dpop_bound_access_tokens_required?: boolean
  readonly signed_metadata?: string
  readonly [name: `${string}#${string}`]: string
}

/** The members by their type, for the check of the option `resource`. */
const LISTS = [
  'authorization_servers',
  'scopes_supported',
  'bearer_methods_supported',
  'resource_signing_alg_values_supported',
  'authorization_details_types_supported',
  'dpop_signing_alg_values_supported',
]
const TEXTS = ['resource_name', 'signed_metadata']
const URLS = ['jwks_uri', 'resource_documentation', 'resource_policy_uri', 'resource_tos_uri']
const FLAGS = ['tls_client_certificate_bound_access_tokens', 'dpop_bound_access_tokens_required']
const MEMBERS = ['resource', ...LISTS, ...TEXTS, ...URLS, ...FLAGS]

/** The answer to a request for the metadata. It needs no token. */
export interface MetadataResponse {
  readonly status: 200 | 204 | 405
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Creates a fetch `Response`. */
  toResponse(): Response
}

/** The protected resource of a gate. */
export interface ProtectedResource {
  /** The identifier in each form that tokens may use as `aud`, such as with and without a slash at the end. */
  readonly audience: readonly string[]
  /** The URL of the document. */
  readonly url: string
  /** Answers a request for the document. Returns `undefined` for any other request. */
  answer(request: RequestLike): MetadataResponse | undefined
}

/** The values for members that the option `resource` does not set. */
interface Defaults {
  readonly issuers: readonly string[]
  readonly scopes: readonly string[]
  readonly places: TokenSources
}

/**
 * Reads the option `resource` of a gate.
 * @throws TypeError if a member is unknown, missing or impossible
 */
export function protectedResource(given: string | ResourceMetadata, defaults: Defaults): ProtectedResource {
  const metadata = metadataOf(typeof given === 'string' ? { resource: given } : given)
  const resource = canonical(metadata.resource)
  const { origin, pathname } = new URL(resource)
  const path = `/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`
  const document = JSON.stringify(documentOf({ ...metadata, resource }, defaults))
  return {
    // Without a path the slash makes no difference (RFC 3986 §6.2.3). Some clients write it, some do not.
    audience: [...new Set([resource, metadata.resource, ...(pathname === '/' ? [`${origin}/`] : [])])],
    url: origin + path,
    answer(request) {
      if (requestTarget(request)[0] !== path) return undefined
      if (request.method === 'GET' || request.method === 'HEAD') return answer(200, document, DOCUMENT)
      return request.method === 'OPTIONS' ? answer(204, '', PREFLIGHT) : answer(405, '', { Allow: METHODS })
    },
  }
}

/**
 * Creates a function that answers requests for the metadata of a gate's resource, or of the resource given.
 * @throws TypeError if the gate has no `resource`, or a member is unknown, missing or impossible
 */
export function metadataHandler(
  source:
    | ResourceMetadata
    | {
        metadata(request: RequestLike): MetadataResponse | undefined
        describe(): { metadataUrl?: string | undefined }
      },
): (request: RequestLike) => MetadataResponse | undefined {
  assertCalled('protectedResource', source, 'app.use(protectedResource(gate))')
  if (typeof source === 'object' && source !== null && 'metadata' in source) {
    if (source.describe().metadataUrl === undefined)
      throw configurationError(
        'MISSING_OPTION',
        'the gate has no "resource": create it with resource: "https://api.example.com"',
      )
    return (request) => source.metadata(request)
  }
  if (typeof source === 'function' && 'gate' in source)
    throw configurationError(
      'INVALID_ARGUMENT',
      'protectedResource() needs the gate of a middleware: write protectedResource(auth.gate)',
    )
  return protectedResource(source, { issuers: [], scopes: [], places: {} }).answer
}

/** Returns the audience that the option `resource` of a gate implies. */
export function resourceAudience(given: string | ResourceMetadata): readonly string[] {
  return protectedResource(given, { issuers: [], scopes: [], places: {} }).audience
}

const METHODS = 'GET, HEAD, OPTIONS'
/** Browser clients of any origin may read the document, which is public (RFC 9728 §3.1). */
const OPEN = { 'Access-Control-Allow-Origin': '*' }
const DOCUMENT = { ...OPEN, 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=300' }
const PREFLIGHT = { ...OPEN, 'Access-Control-Allow-Methods': METHODS, 'Access-Control-Allow-Headers': '*' }

function answer(
  status: MetadataResponse['status'],
  body: string,
  fields: Readonly<Record<string, string>>,
): MetadataResponse {
  const headers = Object.freeze({ ...fields })
  return {
    status,
    headers,
    body,
    toResponse: () => new Response(body === '' ? null : body, { status, headers }),
  }
}

/** Checks the members of the metadata. An unknown member is an error, because it is probably misspelt. */
function metadataOf(given: ResourceMetadata): ResourceMetadata {
  const languages = Object.keys(given ?? {}).filter((name) => name.includes('#'))
  const known = [...MEMBERS, ...languages]
  const read = readOptions<object>('resource', given, known) as Readonly<Record<string, unknown>>
  secureUrl('resource', read.resource)
  if (String(read.resource).includes('?'))
    throw configurationError('INVALID_OPTION', '"resource" must be a URL without query')
  for (const [name, value] of Object.entries(read)) {
    if (TEXTS.includes(name) || name.includes('#')) assertString(name, value)
    else if (URLS.includes(name)) secureUrl(name, value)
    else if (FLAGS.includes(name) && typeof value !== 'boolean')
      throw configurationError('INVALID_OPTION', `"${name}" must be true or false`)
    else if (LISTS.includes(name) && !isList(value))
      throw configurationError('INVALID_OPTION', `"${name}" must be a non-empty array of strings`)
  }
  for (const server of (read.authorization_servers as readonly string[] | undefined) ?? [])
    parseIssuer('authorization_servers', server)
  return read as unknown as ResourceMetadata
}

function isList(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && item !== '')
  )
}

/** Returns the URL with scheme and host in lower case (RFC 3986 §6.2.2.1) and without a slash at the end. */
function canonical(resource: string): string {
  const { origin, pathname } = new URL(resource)
  return origin + pathname.replace(/\/$/, '')
}

/** Only `Authorization` is a method of RFC 6750. */
function readsAuthorization(header: TokenSources['header'] = true): boolean {
  return Array.isArray(header) ? header.some((name) => /^authorization$/i.test(name)) : header === true
}

/**
 * Creates the published document: the configured members, and defaults for the others. Empty lists are left out (RFC 9728
 * §3.2).
 */
function documentOf(metadata: ResourceMetadata, { issuers, scopes, places }: Defaults): ResourceMetadata {
  const methods = [
    readsAuthorization(places.header) && 'header',
    places.form === true && 'body',
    (places.query === true || places.query === 'access_token') && 'query',
  ].filter((name) => typeof name === 'string')
  const supported = askedFor(metadata.scopes_supported ?? scopes)
  const members = {
    // Clients fetch the metadata of each issuer, so an issuer that is only a name is left out.
    authorization_servers: issuers.filter((issuer) => isIssuer(issuer)),
    bearer_methods_supported: methods,
    ...metadata,
    scopes_supported: supported,
  }
  const isGiven = ([, value]: [string, unknown]) => !Array.isArray(value) || value.length > 0
  return Object.fromEntries(Object.entries(members).filter(isGiven)) as unknown as ResourceMetadata
}
