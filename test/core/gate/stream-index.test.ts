/** A revocation finds every stream whose token `memoryRevocations` then rejects, and no stream that was forgotten. */

import { type Identity, memoryRevocations, type RevocationEntry } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { namesOf, StreamIndex, type StreamNames } from '#core/gate/stream-index.ts'
import { createIdentity } from '#core/model/identity.ts'

const [ONE, TWO] = ['https://one.example.com', 'https://two.example.com']
/** 2^53 + 2: a number that several integers are rounded to. */
const LARGE = 9_007_199_254_740_994

interface Stream {
  readonly identity: Identity<unknown>
  readonly names: StreamNames
  readonly hash: string
}

/** All combinations of names, written as texts and as numbers, with issuers and kinds of identities. */
function allStreams(): readonly Stream[] {
  const streams: Stream[] = []
  const kinds = ['jwt', 'introspection', 'opaque'] as const
  const claims = [{ sub: 42 }, { sub: LARGE }, { jti: 42 }, { sid: LARGE }, { sub: '42' }]
  const named = [
    { subject: '42' },
    { tokenId: '42' },
    { sessionId: '42' },
    { subject: 'emma', tokenId: 'emma' },
  ]
  for (const kind of kinds)
    for (const issuer of [undefined, ONE, TWO])
      for (const members of [...named, ...claims.map((claims) => ({ claims }))]) {
        const identity = createIdentity<unknown>(kind, { issuer, issuedAt: 1000, claims: {}, ...members })
        streams.push({ identity, names: namesOf(identity), hash: `hash-${streams.length % 3}` })
      }
  return streams
}

const indexOf = (streams: readonly Stream[]) => {
  const index = new StreamIndex<Stream>()
  for (const stream of streams) {
    index.add(stream)
    index.addHash(stream, stream.hash)
  }
  return index
}

const names = ['42', String(LARGE), String(BigInt(LARGE) - 1n), 'emma', 'nobody']
const entries: readonly RevocationEntry[] = [
  ...['hash-0', 'hash-1', 'hash-9'].map((tokenHash) => ({ tokenHash })),
  ...[undefined, ONE, TWO].flatMap((issuer) =>
    names.flatMap((name) => [
      { tokenId: name, issuer },
      { sessionId: name, issuer },
      { subject: name, issuer, issuedBefore: 2000 },
      { subject: name, issuer, issuedBefore: 500 },
    ]),
  ),
]

describe('StreamIndex', () => {
  it.each(entries)('finds all streams that the store rejects after the revocation %j', (entry) => {
    const streams = allStreams()
    const revocations = memoryRevocations()
    revocations.revoke(entry)
    const rejected = streams.filter(({ identity, hash }) => revocations.isRevoked(identity, hash) === true)
    const found = indexOf(streams).find(entry) ?? []
    expect(rejected.filter((stream) => !found.includes(stream))).toEqual([])
    expect(found.length).toBeLessThan(streams.length / 2)
  })

  it('finds no stream of another issuer', () => {
    const found = indexOf(allStreams()).find({ subject: '42', issuer: ONE }) ?? []
    expect(new Set(found.map(({ names: { issuer } }) => issuer))).toEqual(new Set([undefined, ONE]))
  })

  it('finds no stream that was deleted', () => {
    const streams = allStreams()
    const index = indexOf(streams)
    for (const stream of streams) index.delete(stream)
    expect(entries.map((entry) => index.find(entry))).toEqual(entries.map(() => []))
  })
})
