/** Builds the packages before the tests of packaging start, so that two of them never build at the same time. */

import { join } from 'node:path'
import { run } from './run.ts'
import { ROOT } from './sources.ts'

export async function setup(): Promise<void> {
  await run(join(ROOT, 'node_modules/.bin/tsc'), ['-b'], ROOT)
}
