/** examples/cluster: every process rejects a revoked token, and none accepts it again. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { freePort, hasRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis)('examples/cluster', () => {
  it('revokes tokens in one process, and prints when each process rejected them', async () => {
    const cwd = fileURLToPath(new URL('../../examples/cluster/', import.meta.url))
    const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
    const env = { ...process.env, REVOCATIONS: '10', REDIS_PORT: String(await freePort()) }
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...conditions, '--import', 'tsx', 'main.ts'],
      { cwd, env },
    )
    for (const index of [1, 2, 3])
      expect(stdout).toMatch(new RegExp(`process ${index}: median [\\d.]+, p99 [\\d.]+, longest [\\d.]+`))
    expect(stdout).toContain('0 of the revoked tokens were accepted again.')
  })
})
