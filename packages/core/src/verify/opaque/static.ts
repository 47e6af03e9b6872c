/** Verifies fixed tokens, such as those of services and tests, in constant time. */

import { sha256 } from '#digest'
import { readOptions } from '../../lib/assert.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { frozen } from '../../lib/freeze.ts'
import { getOwn } from '../../lib/json.ts'
import { ignoreRejection, isPromiseLike, mapMaybe } from '../../lib/promise.ts'
import { isB64Token } from '../../lib/syntax.ts'
import { TOKEN_LENGTH } from '../../model/credentials.ts'
import {
  createIdentity,
  IDENTITY_MEMBERS,
  type Identity,
  type IdentityMembers,
  wrongMember,
} from '../../model/identity.ts'
import { markBuiltIn } from '../checked.ts'
import { PresentedToken } from '../presented.ts'
import { inactive, type Verification } from '../verification.ts'
import type { CanVerify, TokenVerifier } from '../verifier.ts'

/**
 * A fixed token, given by its text or its SHA-256, and the members of its identity. It is valid until it is removed from the
 * list.
 */
export type StaticToken<Claims = Readonly<Record<string, unknown>>> = Omit<
  IdentityMembers<Claims>,
  'expiresAt'
> &
  ({ readonly token: string; readonly hash?: undefined } | { readonly hash: string; readonly token?: never })

/** The members that an entry may have. `expiresAt` is not one of them: a token is valid until you remove it from the list. */
const MEMBERS = ['token', 'hash', ...IDENTITY_MEMBERS.filter((name) => name !== 'expiresAt')]
/** Each verification compares the token with all entries, so a long list would make every request slow. */
const MAX_TOKENS = 1_000
/** The texts that variables become if they are not set, or have a wrong type. Clients with the same mistake send them, too. */
const UNSET = /undefined|^(?:null|NaN)$/

/**
 * Creates a verifier for a fixed list of tokens. It stores only their hashes. It compares the hash of a token with all entries,
 * in a time that does not depend on them: response times reveal neither the tokens nor which entry matched.
 *
 * @example
 * const verifier = staticTokens([{ token: process.env.REPORTS_TOKEN ?? '', subject: 'reports', scopes: ['read'] }])
 * @param tokens 1–1,000 tokens. `hash` is the result of `hashToken`
 * @throws TypeError if a token is missing, malformed, the text of an unset variable or listed twice, or a member is unknown or of
 *   the wrong type
 */
export function staticTokens<Claims = Readonly<Record<string, unknown>>>(
  tokens: readonly StaticToken<Claims>[],
): TokenVerifier<Identity<Claims>> {
  if (!Array.isArray(tokens) || tokens.length === 0 || tokens.length > MAX_TOKENS)
    throw configurationError('INVALID_ARGUMENT', `"tokens" must be an array of 1 to ${MAX_TOKENS} tokens`)
  const entries = tokens.map((token, index) => entryOf<Claims>(token, index))
  const texts = entries.map(({ given }) => given)
  if (new Set(texts).size < texts.length)
    throw configurationError('INVALID_ARGUMENT', '"tokens" contains the same token two times')
  const hashes = entries.map(({ hash }) => hash)
  const known = mapMaybe(
    hashes.every((hash) => typeof hash === 'string') ? hashes : Promise.all(hashes),
    once,
  )
  ignoreRejection(known)

  function find(hash: string, all: readonly string[]): Verification<Identity<Claims>> {
    let found: Identity<Claims> | undefined
    for (const [index, entry] of entries.entries()) if (isSame(hash, all[index] ?? '')) found = entry.identity
    return found === undefined ? inactive('unknown_token') : Object.freeze({ active: true, identity: found })
  }

  function verify(token: string, { hash } = new PresentedToken(token)) {
    if (typeof hash === 'string' && !isPromiseLike(known)) return find(hash, known)
    return Promise.all([hash, known]).then(([digest, all]) => find(digest, all))
  }

  return markBuiltIn({
    /** In a chain, no other verifier receives a token of the list. */
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
  })
}

/**
 * On runtimes with asynchronous digests, a duplicate is found only after creation. In that case the answer to every request is
 * 503, and `ready()` rejects.
 */
function once(hashes: readonly string[]): readonly string[] {
  if (new Set(hashes).size < hashes.length)
    throw configurationError(
      'INVALID_ARGUMENT',
      '"tokens" contains the same token two times: as its text, and as its hash',
    )
  return hashes
}

/** A token of the list. `given` is its text or hash as it was configured, to find duplicates. */
interface Entry<Claims> {
  readonly given: string
  readonly hash: string | Promise<string>
  readonly identity: Identity<Claims>
}

/** Checks an entry of the list, and creates its identity, which all requests with the token share. */
function entryOf<Claims>(entry: StaticToken<Claims>, index: number): Entry<Claims> {
  const { token, hash, ...known } = readOptions(`tokens[${index}]`, entry, MEMBERS)
  const members = frozen({ ...known })
  const claims = (getOwn(members, 'claims') ?? Object.freeze({})) as Claims
  const identity = createIdentity('static', { ...members, claims })
  const wrong = wrongMember(identity)
  if (wrong !== undefined)
    throw configurationError('INVALID_ARGUMENT', `"tokens[${index}]" has a "${wrong}" of the wrong type`)
  if (
    token === undefined
      ? !/^[\w-]{43}$/.test(hash ?? '')
      : hash !== undefined ||
        typeof token !== 'string' ||
        !(token.length <= TOKEN_LENGTH.max && isB64Token(token))
  )
    throw configurationError(
      'INVALID_ARGUMENT',
      `"tokens[${index}]" must have a "token" with the syntax b64token, or the "hash" of one`,
    )
  if (token !== undefined && UNSET.test(token))
    throw configurationError(
      'INVALID_ARGUMENT',
      `"tokens[${index}]" has a "token" such as "undefined", "null" or "NaN": a variable is not set, and was converted to text. Create tokens with generateToken()`,
    )
  const digest = token === undefined ? (hash as string) : sha256(token)
  return { given: token ?? (hash as string), hash: digest, identity }
}

/** Compares two digests in a time that does not depend on where they differ. */
function isSame(one: string, other: string): boolean {
  let difference = one.length ^ other.length
  for (let index = 0; index < one.length; index += 1)
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index)
  return difference === 0
}
