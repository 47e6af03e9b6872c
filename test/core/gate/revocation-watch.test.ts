/** Streams whose token hash is computed later, as on runtimes without Node's crypto module. */

import { memoryRevocations } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { type Revocable, RevocationWatch } from '#core/gate/revocation-watch.ts'
import { namesOf } from '#core/gate/stream-index.ts'
import { createIdentity } from '#core/model/identity.ts'

/** Lets pending promises settle. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Counts how often a stream is looked for, which happens before each check. */
class CountingSet<T> extends Set<T> {
  lookups = 0

  override has(value: T): boolean {
    this.lookups += 1
    return super.has(value)
  }
}

function watched(hash: Promise<string>) {
  const revocations = memoryRevocations()
  const identity = createIdentity<unknown>('opaque', { subject: 'emma', claims: {} })
  const stream: Revocable = { identity, names: namesOf(identity), hash }
  const live = new CountingSet([stream])
  const source = {
    isInStore: (...given: Parameters<typeof revocations.isRevoked>) => revocations.isRevoked(...given),
    onRevoked: (listener: () => void) => revocations.onRevoked?.(listener),
  }
  const watch = new RevocationWatch(source, live, (ended) => live.delete(ended))
  watch.watch(stream)
  watch.start(stream)
  return { revocations, live, stream, watch }
}

describe('RevocationWatch', () => {
  it('ends a stream by a hash that was revoked before it was computed', async () => {
    let compute: (hash: string) => void = () => {}
    const { revocations, live } = watched(
      new Promise((resolve) => {
        compute = resolve
      }),
    )
    await revocations.revoke({ tokenHash: 'its hash' })
    await settled()
    expect(live.size).toBe(1)
    compute('its hash')
    await settled()
    expect(live.size).toBe(0)
  })

  it('ends a stream by a hash that was revoked after it was computed', async () => {
    const { revocations, live } = watched(Promise.resolve('its hash'))
    await settled()
    await revocations.revoke({ tokenHash: 'another hash' })
    await settled()
    expect(live.size).toBe(1)
    await revocations.revoke({ tokenHash: 'its hash' })
    await settled()
    expect(live.size).toBe(0)
  })

  it('does not keep a stream that ended before its hash was computed', async () => {
    const { revocations, live, stream, watch } = watched(Promise.resolve('its hash'))
    live.clear()
    watch.forget(stream)
    await settled()
    live.lookups = 0
    await revocations.revoke({ tokenHash: 'its hash' })
    await settled()
    expect(live.lookups).toBe(0)
  })
})
