/**
 * Runs the tests: what proves the product, within a minute (the default); `all` of them; or the projects and files that
 * are named. Options are those of Vitest.
 *
 *     npx pnpm@12.21.0 test
 *     npx pnpm@12.21.0 test unit
 *     npx pnpm@12.21.0 test test/core/gate/gate.test.ts -t preflight
 *     npx pnpm@12.21.0 test:all
 */

import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const PROJECTS = ['unit', 'hosts', 'hostile', 'faults', 'package', 'e2e', 'runtimes']
/** Every twentieth input of the fuzz tests, and of the slower projects one file each: the public types and the demo. */
const QUICK = ['test/core', 'test/vectors', 'test/adapters', 'test/inputs', 'test/fuzz']
const QUICK_FILES = ['test/packaging/types.test.ts', 'test/interop/demo.test.ts']
const QUICK_FUZZ_RUNS = '0.05'

const given = process.argv.slice(2)
const names = given.filter((arg) => PROJECTS.includes(arg))
const others = given.filter((arg) => !PROJECTS.includes(arg) && arg !== 'all')
const isQuick = given.every((arg) => arg.startsWith('-'))

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const selection = isQuick ? [...QUICK, ...QUICK_FILES] : names.flatMap((name) => ['--project', name])
const { status, signal } = spawnSync(process.execPath, [vitest, 'run', ...selection, ...others], {
  stdio: 'inherit',
  env: { ...(isQuick && { BEARERGATE_FUZZ_RUNS: QUICK_FUZZ_RUNS }), ...process.env },
})
process.exitCode = signal === null ? (status ?? 1) : 1
