/** The suite on the runtimes themselves, chosen by each one's own conditions; and the table in the README, which says what passed. */

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, describe, expect, it } from 'vitest'
import { send } from '../support/server.ts'
import { startWorker } from '../support/workerd.ts'
import { type Report, run } from './suite.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const ROOT = join(FOLDER, '../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const SOURCE = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['@bearergate/source']
const made = mkdtempSync(join(tmpdir(), 'bearergate-runtimes-'))
const installed = (path: string) => join(FOLDER, 'node_modules', path)

/** The program for a runtime: everything in one file, chosen by the runtime's own conditions. */
async function bundle(
  entry: string,
  conditions: readonly string[],
  external: readonly string[],
): Promise<string> {
  const outfile = join(made, `${entry}-${conditions.join('-')}.mjs`)
  await build({
    entryPoints: [join(FOLDER, `${entry}.ts`)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: [...SOURCE, ...conditions],
    external: [...external],
    logLevel: 'error',
  })
  return outfile
}

async function output(command: string, ...args: readonly string[]): Promise<Report> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: made, timeout: 60_000 })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report
}

const onNode = (name: string) => async () =>
  output(installed(`${name}/bin/node`), await bundle('main', ['node', 'import'], ['node:*']))

async function onBun(): Promise<Report> {
  return output(
    installed('@oven/bun-linux-x64/bin/bun'),
    await bundle('main', ['bun', 'node', 'import'], ['node:*']),
  )
}

async function onDeno(): Promise<Report> {
  const program = await bundle('main', ['deno', 'node', 'import'], ['node:*'])
  return output(installed('@deno/linux-x64-glibc/deno'), 'run', '--no-remote', program)
}

async function onWorkerd(): Promise<Report> {
  const program = await bundle('worker', ['workerd', 'worker', 'browser', 'import'], [])
  expect(readFileSync(program, 'utf8')).not.toMatch(/from\s*["']node:/)
  const { origin, close } = await startWorker(program)
  try {
    return JSON.parse((await send(origin)).text) as Report
  } finally {
    await close()
  }
}

const RUNTIMES: readonly (readonly [name: string, binary: string, report: () => Promise<Report>])[] = [
  ...['20', '22', '24', '26'].map(
    (major) => [`Node ${major}`, `node${major}/bin/node`, onNode(`node${major}`)] as const,
  ),
  ['Bun', '@oven/bun-linux-x64/bin/bun', onBun],
  ['Deno', '@deno/linux-x64-glibc/deno', onDeno],
  ['workerd', '@cloudflare/workerd-linux-64/bin/workerd', onWorkerd],
]

afterAll(() => rmSync(made, { recursive: true, force: true }))

describe('the suite passes', () => {
  it('on this Node, as the tests run it', async () => {
    expect((await run()).failed).toEqual([])
  })

  for (const [name, binary, report] of RUNTIMES) {
    const isThere = existsSync(installed(binary))
    if (!isThere)
      console.warn(`${name} is not installed: npm install --no-package-lock --prefix test/runtimes`)
    it.skipIf(!isThere)(`on ${name}, as often as the README says`, { timeout: 90_000 }, async () => {
      const { passed, failed } = await report()
      expect(failed).toEqual([])
      const column = cellsOf(/^\| runtime /m).indexOf(name)
      expect(cellsOf(/^\| passed /m)[column]).toBe(String(passed))
    })
  }
})

function cellsOf(start: RegExp): readonly string[] {
  const line = README.slice(README.search(start)).split('\n')[0] ?? ''
  return line.split('|').map((cell) => cell.trim())
}
