/** The outbox: an entry that Redis stored while the feed was reading is on its way, and not lost. */

import { describe, expect, it } from 'vitest'
import { Outbox } from '../../packages/redis/src/outbox.ts'

/** Records the entries that are added, and has no others. */
class RecordingClient {
  readonly added: unknown[] = []

  async xAdd(_key: string, _id: string, { entry = '' }: Record<string, string>) {
    this.added.push(JSON.parse(entry).tokenId)
  }

  async xRange() {
    return []
  }
}

describe('an outbox', () => {
  it('adds an entry again only if the feed began to read after Redis had stored it', async () => {
    const client = new RecordingClient()
    const outbox = new Outbox(client as never, 'stream', 60, 5)
    const before = performance.now()
    await outbox.send({ tokenId: 'one' })
    await outbox.repair(client as never, before)
    expect(client.added).toEqual(['one'])
    await outbox.repair(client as never, performance.now() + 1)
    expect(client.added).toEqual(['one', 'one'])
  })

  it('can add its 10,000 newest entries again', async () => {
    const client = new RecordingClient()
    const outbox = new Outbox(client as never, 'stream', 60, 5)
    for (let number = 0; number < 10_001; number += 1) await outbox.send({ tokenId: String(number) })
    client.added.length = 0
    outbox.reset()
    await outbox.repair(client as never, performance.now() + 1)
    expect(client.added).toHaveLength(10_000)
    expect(client.added[0]).toBe('1')
  })
})
