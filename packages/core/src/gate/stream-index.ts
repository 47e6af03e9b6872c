/** Finds the streams that a revocation names, without a look at all others. */

import { Groups } from '../lib/groups.ts'
import { isObject } from '../lib/json.ts'
import { type Identity, revocableName } from '../model/identity.ts'
import { issuerOf, storedNames } from '../state/revocation-key.ts'
import type { EntryMembers, RevocationEntry } from '../state/revocations.ts'

/** The names by which a stream can be revoked. Read once, because an identity of an application's own class may change. */
export interface StreamNames {
  readonly tokenId: string | number | undefined
  readonly sessionId: string | number | undefined
  readonly subject: string | number | undefined
  /** `undefined` if it is not known. Then a revocation with any issuer may apply. */
  readonly issuer: string | undefined
  /** `undefined` until `StreamIndex.addHash`. */
  tokenHash: string | undefined
}

export function namesOf(identity: Identity<unknown>): StreamNames {
  return {
    tokenId: revocableName(identity, 'tokenId'),
    sessionId: revocableName(identity, 'sessionId'),
    subject: revocableName(identity, 'subject'),
    issuer: issuerOf(identity),
    tokenHash: undefined,
  }
}

const KINDS = ['tokenId', 'sessionId', 'subject', 'tokenHash'] as const

export class StreamIndex<S extends { readonly names: StreamNames }> {
  /** By name without the issuer, because a revocation may name none. */
  readonly #streams: Readonly<Record<(typeof KINDS)[number], Groups<string | number, S>>> = {
    tokenId: new Groups(),
    sessionId: new Groups(),
    subject: new Groups(),
    tokenHash: new Groups(),
  }

  add(stream: S): void {
    for (const kind of KINDS) {
      const name = stream.names[kind]
      if (name !== undefined) this.#streams[kind].add(name, stream)
    }
  }

  /** Adds the hash of a stream's token, which some runtimes compute later. */
  addHash(stream: S, tokenHash: string): void {
    stream.names.tokenHash = tokenHash
    this.#streams.tokenHash.add(tokenHash, stream)
  }

  delete(stream: S): void {
    for (const kind of KINDS) {
      const name = stream.names[kind]
      if (name !== undefined) this.#streams[kind].delete(name, stream)
    }
  }

  /**
   * Returns all streams that a revocation may apply to, by the rules of `memoryRevocations`. Returns `undefined` if the entry does
   * not say it in the form of a `RevocationEntry`: a store of the application may pass anything, and no revocation may be missed.
   */
  find(entry: RevocationEntry | undefined): readonly S[] | undefined {
    if (!isObject(entry)) return undefined
    const members: EntryMembers = entry
    const { issuer } = members
    const named = KINDS.filter((kind) => members[kind] !== undefined)
    const isText = (member: 'issuer' | (typeof KINDS)[number]) => typeof members[member] === 'string'
    const isKnown = named.every(isText) && (issuer === undefined || isText('issuer'))
    if (named.length === 0 || !isKnown) return undefined
    const found: S[] = []
    for (const kind of named)
      for (const name of storedNames(members[kind] as string))
        for (const stream of this.#streams[kind].of(name))
          if (kind === 'tokenHash' || mayHaveIssuer(stream.names, issuer)) found.push(stream)
    return found
  }
}

function mayHaveIssuer(names: StreamNames, issuer: string | undefined): boolean {
  return issuer === undefined || names.issuer === undefined || names.issuer === issuer
}
