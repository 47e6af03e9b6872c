/** One API process that shares revocations and results of introspection on Redis. Its parent breaks Redis. */

import { createGate, introspection, type RevocationStore } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import { redisResults, redisRevocations } from '@bearergate/redis'
import express from 'express'
import { createClient } from 'redis'
import { AUDIENCE, ISSUER } from '../support/issuer.ts'

export interface Setup {
  readonly redis: string
  readonly endpoint: string
  readonly jwk: object
  readonly maxLag: number
  readonly ifUnavailable: 'reject' | 'continue'
}

/** Revokes a token id, or lets so many seconds pass for the age of the feed. */
export type Order = { readonly revoke: string } | { readonly pass: number }

export type Message =
  | { readonly port: number }
  /** What `onFeed` and `onResults` received. */
  | { readonly feed: string }
  | { readonly results: string }
  /** The number of revocations that this process knows. */
  | { readonly known: number }
  /** Whether `gate.revoke` has resolved. */
  | { readonly revoked: string; readonly isStored: boolean }
  | { readonly passed: number }
  | { readonly trouble: string }

const tell = (message: Message) => void (process.connected && process.send?.(message))
for (const event of ['unhandledRejection', 'uncaughtException', 'warning'])
  process.on(event, (cause) => tell({ trouble: `${event}: ${cause}` }))

const { redis, endpoint, jwk, maxLag, ifUnavailable } = JSON.parse(process.argv[2] ?? '{}') as Setup
const client = createClient({ url: redis, socket: { reconnectStrategy: 50 } })
client.on('error', () => {})
await client.connect()

/** In milliseconds, until the feed is current again. */
let passed = 0
const store = redisRevocations(client, {
  maxLag,
  ifUnavailable,
  onFeed: ({ type }) => {
    if (type === 'current') passed = 0
    tell({ feed: type })
  },
})
store.onRevoked?.(() => tell({ known: store.size }))

/** The store, with a clock that its parent moves. Only the age of the feed depends on it. */
const revocations: RevocationStore = {
  revoke: (entry) => store.revoke(entry),
  isRevoked(identity, hash) {
    const { now } = performance
    performance.now = () => now.call(performance) + passed
    try {
      return store.isRevoked(identity, hash)
    } finally {
      performance.now = now
    }
  },
  get needsHash() {
    return store.needsHash
  },
  get size() {
    return store.size
  },
}

const issuer = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [jwk] } }
const signed = createGate({ ...issuer, revocations } as never)
/** Needs nothing of Redis. */
const control = createGate(issuer as never)
const results = redisResults(client, {
  name: 'introspection',
  secret: 'x'.repeat(32),
  onResults: ({ type }) => tell({ results: type }),
})
const asked = createGate({
  verifier: introspection({
    endpoint,
    clientId: 'api',
    clientSecret: 'secret',
    audience: null,
    // Longer than the default: the machine may do other work.
    timeout: 60,
    cache: { ttl: 600, negativeTtl: 2, store: results },
  }),
  deadline: 120,
})

const app = express()
app.disable('x-powered-by')
app.use('/signed', bearer(signed))
app.use('/asked', bearer(asked))
app.use('/control', bearer(control))
app.get('/:gate', (_request, response) => void response.json({}))
const server = app.listen(0, '127.0.0.1', () => {
  void store.ready().then(() => tell({ port: (server.address() as { port: number }).port }))
})

process.on('message', async (order: Order) => {
  if ('pass' in order) {
    passed += order.pass * 1000
    tell({ passed: order.pass })
    return
  }
  const isStored = await signed.revoke({ tokenId: order.revoke }).then(
    () => true,
    () => false,
  )
  tell({ revoked: order.revoke, isStored })
})
process.once('disconnect', () => process.exit())
