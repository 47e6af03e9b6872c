/** Your own opaque tokens: made here, stored as a hash, looked up by you. */

import { base64url } from 'jose'
import { sha256 } from '#digest'
import { assertFunction, isPromiseLike, readOptions, type Seconds } from '../../lib/assert.ts'
import { secondsOf, now as systemNow } from '../../lib/clock.ts'
import { type Identity, isObject, MEMBERS, withSource, wrongMember } from '../../model/identity.ts'
import { UnavailableError } from '../../model/rejection.ts'
import { Cache, type CacheOptions, givenLimits } from '../cached.ts'
import { PresentedToken } from '../presented.ts'
import { inactive, markValidated, type TokenVerifier, type Verification } from '../verifier.ts'

/** What a lookup knows of a token. */
export interface OpaqueToken<Claims = Readonly<Record<string, unknown>>>
  extends Partial<Omit<Identity<Claims>, 'kind'>> {
  /** When the token expires, in seconds since the epoch. Without it the token is good until the lookup says otherwise. */
  readonly expiresAt?: Seconds | undefined
}

export interface OpaqueOptions<Claims = Readonly<Record<string, unknown>>> {
  /**
   * Finds a token: what it stands for, or `null` where it is unknown or revoked. What it throws is
   * answered 503, and so is anything else that it gives, `undefined` included.
   * @param token a string of the syntax `b64token`, at most 8,192 characters
   * @param hash its SHA-256 as base64url, like that of `hashToken`: store this, not the token
   */
  lookup: (token: string, hash: string) => OpaqueToken<Claims> | null | Promise<OpaqueToken<Claims> | null>
  /** Takes only tokens that `generateToken(prefix)` made: anything else is refused without a lookup. Default: every token is looked up. */
  prefix?: string | undefined
  /** Keeps what was found, for `ttl` seconds at most: so long may a revocation go unseen. Default: every request is looked up. */
  cache?: Omit<CacheOptions, 'now'> | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/**
 * Verifies tokens by a lookup of yours.
 *
 * @example
 * const verifier = opaque({ prefix: 'acme', lookup: (_token, hash) => sessions.get(hash) ?? null })
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function opaque<Claims = Readonly<Record<string, unknown>>>(
  options: OpaqueOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('opaque', options, ['lookup', 'prefix', 'cache', 'now'])
  if (typeof read.lookup !== 'function') throw new TypeError('"lookup" must be a function')
  const { lookup } = read
  const prefix = read.prefix === undefined ? undefined : tokenPrefix(read.prefix)
  const now = assertFunction('now', read.now, systemNow)

  const judge = (found: OpaqueToken<Claims> | null) =>
    found === null ? inactive('unknown_token') : verificationOf(found, now)

  function find(token: string, hash: string): Verified<Claims> {
    const found = lookup(token, hash)
    return isPromiseLike(found) ? Promise.resolve(found).then(judge) : judge(found)
  }

  function verify(token: string, { hash } = new PresentedToken(token)): Verified<Claims> {
    return typeof hash === 'string' ? find(token, hash) : hash.then((digest) => find(token, digest))
  }

  const looked: TokenVerifier<Identity<Claims>> =
    read.cache === undefined ? { verify } : new Cache({ verify }, givenLimits(read.cache), now)
  if (prefix === undefined) return looked
  const owns = (token: string) => isOurs(token, prefix)
  return {
    ...(looked.getCached !== undefined && { getCached: (hash) => looked.getCached?.(hash) }),
    canVerify: owns,
    verify: (token, presented) => (owns(token) ? looked.verify(token, presented) : inactive('unknown_token')),
  }
}

type Verified<Claims> = Verification<Identity<Claims>> | Promise<Verification<Identity<Claims>>>

/** A misspelt `expiresAt` would make a token that never ends: what is not understood is not accepted. */
function verificationOf<Claims>(
  found: OpaqueToken<Claims>,
  now: () => number,
): Verification<Identity<Claims>> {
  if (!isObject(found as unknown) || !hasMembers(found))
    throw new UnavailableError('The lookup gave neither a token nor null')
  if (Object.values(found).every((value) => value === undefined))
    throw new UnavailableError(
      '"lookup" must return a token record or null, but returned a record without any member',
    )
  const unknown = Object.keys(found).find((name) => !MEMBERS.includes(name))
  if (unknown !== undefined) throw new UnavailableError(`The lookup gave an unknown member "${unknown}"`)
  // Own members only: nothing on a prototype is what the lookup said.
  const identity = identityOf(Object.assign(Object.create(null), found) as OpaqueToken<Claims>)
  const wrong = wrongMember(identity)
  if (wrong !== undefined) throw new UnavailableError(`The lookup gave a "${wrong}" of the wrong type`)
  const { expiresAt } = identity
  if (expiresAt !== undefined && secondsOf(now) >= expiresAt) return inactive('expired')
  return markValidated({ active: true, identity, expiresAt }, now)
}

/** A `Map`, a `Date` or an `Error` has no members: it would be a token that may do nothing, for ever. */
function hasMembers(found: object): boolean {
  const prototype = Object.getPrototypeOf(found)
  return prototype === null || prototype === Object.prototype || Object.keys(found).length > 0
}

function identityOf<Claims>(found: OpaqueToken<Claims>): Identity<Claims> {
  return withSource<Identity<Claims>>({
    kind: 'opaque',
    subject: found.subject,
    issuer: found.issuer,
    clientId: found.clientId,
    audience: found.audience ?? [],
    scopes: found.scopes ?? [],
    roles: found.roles ?? [],
    expiresAt: found.expiresAt,
    issuedAt: found.issuedAt,
    tokenId: found.tokenId,
    acr: found.acr,
    authenticatedAt: found.authenticatedAt,
    claims: found.claims ?? ({} as Claims),
    actor: found.actor,
    confirmation: found.confirmation,
  })
}

/** 192 bits: 32 characters of base64url, and 6 more for the checksum. */
const RANDOM_BYTES = 24
const RANDOM_LENGTH = 32
const CHECKSUM_LENGTH = 6

/**
 * Makes a new token: `prefix_`, 192 random bits and a checksum, in characters that need no escape anywhere.
 * The checksum proves nothing; it lets `opaque({ prefix })` refuse garbage without a lookup.
 * @param prefix names the kind of token, for people and for secret scanners: 1 to 32 letters, digits and `_`, which is not the last
 * @throws TypeError where the prefix is not of that form
 */
export function generateToken(prefix: string): string {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES))
  const text = `${tokenPrefix(prefix)}_${base64url.encode(random)}`
  return text + checksum(text)
}

/** The hash under which to store a token: its SHA-256 as base64url. Nothing in it leads back to the token. */
export async function hashToken(token: string): Promise<string> {
  return sha256(token)
}

function tokenPrefix(prefix: string): string {
  if (typeof prefix !== 'string' || !/^\w{0,31}[A-Za-z\d]$/.test(prefix))
    throw new TypeError('"prefix" must be of 1 to 32 letters, digits and _, and not end with _')
  return prefix
}

function isOurs(token: string, prefix: string): boolean {
  if (!token.startsWith(`${prefix}_`)) return false
  const end = prefix.length + 1 + RANDOM_LENGTH
  return token.length === end + CHECKSUM_LENGTH && token.slice(end) === checksum(token.slice(0, end))
}

/** CRC-32 (ISO 3309) as base64url. */
function checksum(text: string): string {
  let crc = -1
  for (let index = 0; index < text.length; index += 1) {
    crc ^= text.charCodeAt(index)
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  const bytes = new DataView(new ArrayBuffer(4))
  bytes.setInt32(0, ~crc)
  return base64url.encode(new Uint8Array(bytes.buffer))
}
