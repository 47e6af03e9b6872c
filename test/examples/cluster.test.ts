/** examples/cluster: every process rejects a revoked token, and none accepts it again, by each source of revocations. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { freePort, hasRedis } from '../support/redis.ts'

const TIMES = String.raw`median [\d.]+, p99 [\d.]+, longest [\d.]+`

async function run(variables: NodeJS.ProcessEnv): Promise<string> {
  const cwd = fileURLToPath(new URL('../../examples/cluster/', import.meta.url))
  const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
  const env = { ...process.env, REDIS_PORT: String(await freePort()), ...variables }
  const args = [...conditions, '--import', 'tsx', 'main.ts']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env })
  return stdout
}

describe.skipIf(!hasRedis)('examples/cluster', () => {
  it('ends sessions by each source, and prints when each process rejected their tokens', async () => {
    const stdout = await run({ REVOCATIONS: '5' })
    const [, ...parts] = stdout.split('5 revocations by ')
    expect(parts.map((part) => part.split('.')[0])).toEqual(['revoke', 'logout', 'event'])
    for (const part of parts) {
      for (const index of [1, 2, 3]) expect(part).toMatch(new RegExp(`process ${index}: ${TIMES}`))
      expect(part).toMatch(new RegExp(`all: ${TIMES}`))
    }
    expect(stdout).toContain('0 of the revoked tokens were accepted again.')
  })

  it('starts the configured number of processes, and uses the configured source only', async () => {
    const stdout = await run({ REVOCATIONS: '2', PROCESSES: '2', SOURCE: 'logout' })
    expect(stdout.match(/process \d|revocations by \w+/g)).toEqual([
      'revocations by logout',
      'process 1',
      'process 2',
    ])
  })

  it('fails before it starts a process if the source is unknown', async () => {
    await expect(run({ SOURCE: 'other' })).rejects.toThrow(
      '"SOURCE" must be all, revoke, logout, event, but is other',
    )
  })
})
