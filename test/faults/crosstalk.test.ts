/** Runs FX51 with 20,000 calls. `pnpm crosstalk` makes a million. */

import { expect, it } from 'vitest'
import { stopClock } from '../support/clock.ts'
import { AGAIN, seed } from '../support/sample.ts'
import { crossTalk, startShuffler } from './crosstalk.ts'

// No deadline ends a call, however busy the machine is.
stopClock()

it('gives each of 20,000 introspection calls its own subject, answered in random order, 64 at once (FX51)', async () => {
  const server = await startShuffler(64, seed)
  try {
    expect(await crossTalk(server.endpoint, 20_000, 64), AGAIN).toEqual({
      calls: 20_000,
      right: 20_000,
      wrong: 0,
      unanswered: 0,
    })
  } finally {
    server.close()
  }
}, 600_000)
