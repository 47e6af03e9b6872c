/** A few fixed tokens, such as those of services and of tests, compared in constant time. */

import { sha256 } from '#digest'
import { ignoreRejection, isPromiseLike, mapMaybe, readOptions } from '../../lib/assert.ts'
import { type Identity, withSource, wrongMember } from '../../model/identity.ts'
import { PresentedToken } from '../presented.ts'
import {
  type CanVerify,
  inactive,
  markValidated,
  type TokenVerifier,
  type Verification,
} from '../verifier.ts'

/** One fixed token, by its text or by its SHA-256, and what it stands for. It is good until it is taken out of the list. */
export type StaticToken<Claims = Readonly<Record<string, unknown>>> = Partial<
  Omit<Identity<Claims>, 'kind' | 'expiresAt'>
> &
  ({ readonly token: string; readonly hash?: undefined } | { readonly hash: string; readonly token?: never })

const MEMBERS = [
  'token',
  'hash',
  'subject',
  'issuer',
  'clientId',
  'audience',
  'scopes',
  'roles',
  'issuedAt',
  'tokenId',
  'acr',
  'authenticatedAt',
  'claims',
  'actor',
  'confirmation',
]
const B64TOKEN = /^[A-Za-z0-9._~+/-]+=*$/
const MAX_TOKENS = 1_000

/**
 * Verifies tokens of a fixed list. Every entry is compared, by its digest, whichever of them matches: the time tells
 * nothing of the tokens. The texts are not kept.
 *
 * @example
 * const verifier = staticTokens([{ token: process.env.REPORTS_TOKEN ?? '', subject: 'reports', scopes: ['read'] }])
 * @param tokens 1 to 1,000 of them; `hash` is what `hashToken` makes of a token
 * @throws TypeError where a token is missing, malformed or there twice, or a member is not what it must be
 */
export function staticTokens<Claims = Readonly<Record<string, unknown>>>(
  tokens: readonly StaticToken<Claims>[],
): TokenVerifier<Identity<Claims>> {
  if (!Array.isArray(tokens) || tokens.length === 0 || tokens.length > MAX_TOKENS)
    throw new TypeError(`"tokens" must be an array of 1 to ${MAX_TOKENS} tokens`)
  const entries = tokens.map((token, index) => entryOf<Claims>(token, index))
  const texts = entries.map(({ given }) => given)
  if (new Set(texts).size < texts.length) throw new TypeError('"tokens" has a token twice')
  const hashes = entries.map(({ hash }) => hash)
  const known = mapMaybe(
    hashes.every((hash) => typeof hash === 'string') ? hashes : Promise.all(hashes),
    once,
  )
  ignoreRejection(known)

  function find(hash: string, all: readonly string[]): Verification<Identity<Claims>> {
    let found: Identity<Claims> | undefined
    for (const [index, entry] of entries.entries()) if (isSame(hash, all[index] ?? '')) found = entry.identity
    return found === undefined ? inactive('unknown_token') : markValidated({ active: true, identity: found })
  }

  function verify(token: string, { hash } = new PresentedToken(token)) {
    if (typeof hash === 'string' && !isPromiseLike(known)) return find(hash, known)
    return Promise.all([hash, known]).then(([digest, all]) => find(digest, all))
  }

  return {
    /** So that in a chain nobody else gets to see it. */
    canVerify: (token, presented) =>
      mapMaybe<Verification<Identity<Claims>>, CanVerify>(
        verify(token, presented),
        ({ active }) => active || undefined,
      ),
    verify: (token, presented) => verify(token, presented),
    async ready() {
      await known
    },
    describe: () => ({ kind: 'static', tokens: entries.length }),
  }
}

/** Where digests come late, this is found as late: nobody passes then, and `ready()` says why. */
function once(hashes: readonly string[]): readonly string[] {
  if (new Set(hashes).size < hashes.length)
    throw new TypeError('"tokens" has a token twice, once by its hash')
  return hashes
}

interface Entry<Claims> {
  readonly given: string
  readonly hash: string | Promise<string>
  readonly identity: Identity<Claims>
}

function entryOf<Claims>(entry: StaticToken<Claims>, index: number): Entry<Claims> {
  const { token, hash, ...known } = readOptions(`tokens[${index}]`, entry, MEMBERS)
  const identity = withSource({
    audience: [],
    scopes: [],
    roles: [],
    claims: {} as Claims,
    ...known,
    kind: 'static',
  }) as Identity<Claims>
  const wrong = wrongMember(identity)
  if (wrong !== undefined) throw new TypeError(`"tokens" has a "${wrong}" of the wrong type at ${index}`)
  if (token === undefined ? !/^[\w-]{43}$/.test(hash ?? '') : hash !== undefined || !isToken(token))
    throw new TypeError(`"tokens" must have a "token" of the syntax b64token, or its "hash", at ${index}`)
  const digest = token === undefined ? (hash as string) : sha256(token)
  return { given: token ?? (hash as string), hash: digest, identity }
}

function isToken(token: unknown): boolean {
  return typeof token === 'string' && token.length <= 8_192 && B64TOKEN.test(token)
}

/** In a time that does not depend on where two digests differ. */
function isSame(one: string, other: string): boolean {
  let difference = one.length ^ other.length
  for (let index = 0; index < one.length; index += 1)
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index)
  return difference === 0
}
