/** One peer in a process of its own, as the benchmark's server: `serve.ts <peer>`, with its setup from the parent. */

import type { Setup } from './authority.ts'
import { PEERS, type PeerId } from './peers.ts'

// tsx turns source maps on, which makes every error dear.
process.setSourceMapsEnabled(false)

const peer = PEERS[process.argv[2] as PeerId]

process.once('message', async (setup: Setup) => {
  const { origin } = await peer.start(setup)
  // What is published is what is measured.
  const built = import.meta.resolve('@bearergate/core').endsWith('/dist/index.js')
  process.send?.({ origin, built })
})
process.once('disconnect', () => process.exit())
