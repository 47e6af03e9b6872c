/** The example of Next, built where Next is installed (`npm ci --prefix test/runtimes`). */

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)

export const NEXT = join(ROOT, 'test/runtimes/node_modules/next/dist/bin/next')

/** Makes a project of its own of the example, with the core as it is published: compiled, with declarations. */
export async function buildNextApp(): Promise<string> {
  const folder = await mkdtemp(join(ROOT, 'test/runtimes/made-next-'))
  await cp(join(ROOT, 'examples/next-route'), folder, { recursive: true })
  const modules = join(folder, 'node_modules')
  const core = join(modules, '@bearergate/core')
  await mkdir(core, { recursive: true })
  await cp(join(ROOT, 'packages/core/package.json'), join(core, 'package.json'))
  const compile = ['-p', join(ROOT, 'packages/core'), '--outDir', join(core, 'dist')]
  await run(join(ROOT, 'node_modules/.bin/tsc'), [
    ...compile,
    '--tsBuildInfoFile',
    join(folder, 'core.tsbuildinfo'),
  ])
  for (const name of ['jose', 'lru-cache'])
    await cp(await realpath(join(ROOT, 'node_modules', name)), join(modules, name), { recursive: true })
  await run(process.execPath, [NEXT, 'build'], { cwd: folder, env: { ...process.env, ...NEXT_ENV } })
  return folder
}

/** Next reports to its makers unless it is told not to. */
export const NEXT_ENV = { NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' } as const
