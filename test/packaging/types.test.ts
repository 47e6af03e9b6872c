/** What must compile against the source does, and what must not does not (`test/types/`). */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from './run.ts'
import { ROOT } from './sources.ts'

it('the types reject wrong configurations, and pass the type of the identity to every handler', async () => {
  expect(await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'test/types')])).toBe('')
}, 600_000)
