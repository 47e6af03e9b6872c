/** FX51 in small: `pnpm crosstalk` makes a million calls. */

import { expect, it } from 'vitest'
import { AGAIN, seed } from '../support/sample.ts'
import { crossTalk, startShuffler } from './crosstalk.ts'

it('FX51 20,000 introspection calls, 64 at once, answered in random order: each gets its own subject', async () => {
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
}, 120_000)
