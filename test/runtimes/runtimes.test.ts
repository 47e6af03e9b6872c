/** Runs the tests on the runtimes themselves, with each one's own export conditions. docs/runtimes.md lists the runtimes. */

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import { afterAll, describe, expect, it } from 'vitest'
import { SOURCE } from '../support/bundle.ts'
import { send } from '../support/server.ts'
import { startWorker } from '../support/workerd.ts'
import type { Report } from './suite.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const ROOT = join(FOLDER, '../..')
const PAGE = readFileSync(join(ROOT, 'packages/core/docs/runtimes.md'), 'utf8')
const installed = (path: string) => join(FOLDER, 'node_modules', path)
/** Within the project, where the packages that are not bundled are found. */
const made = mkdtempSync(join(ROOT, 'test/made-'))

/** All but what looks into a heap of Node's. */
const TESTS = ['test/core', 'test/adapters', 'test/inputs']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  )
  .filter((file) => file.endsWith('.test.ts') && basename(file) !== 'leaks.test.ts')
  .sort()

/** Modules that create servers, or that need `require`: not bundled, and not on workerd. */
const OF_SERVERS = [
  'node:http',
  'node:net',
  'node:child_process',
  'express',
  'express4',
  'koa',
  'koa2',
  'fastify',
  'ws',
  'connect',
  '@fastify/middie',
  'polka',
  'h3',
  'h3/node',
  'socket.io',
  'socket.io-client',
  'node-fetch',
  'node-fetch2',
  'undici',
]

interface Runtime {
  readonly name: string
  readonly binary: string
  readonly conditions: readonly string[]
  /** How it runs a program. */
  readonly args?: readonly string[]
  /** What is otherwise there, and why, by the titles of the tests. */
  readonly without?: Readonly<Record<string, string>>
}

const node = (major: string): Runtime => ({
  name: `Node ${major}`,
  binary: `node${major}/bin/node`,
  conditions: ['node', 'import'],
  ...(major === '22' && {
    without: {
      'reads no "length" from Object.prototype': 'its WebCrypto does, which the gate does not use there',
    },
  }),
})

const RUNTIMES: readonly Runtime[] = [
  ...['20', '22', '24', '26'].map(node),
  {
    name: 'Bun',
    binary: '@oven/bun-linux-x64/bin/bun',
    conditions: ['bun', 'node', 'import'],
    without: { 'lets other work go on': 'its WebCrypto answers within the same turn of the event loop' },
  },
  {
    name: 'Deno',
    binary: '@deno/linux-x64-glibc/deno',
    conditions: ['deno', 'node', 'import'],
    args: ['run', '--allow-all', '--no-remote', '--node-modules-dir=manual'],
    without: {
      'does not import a point off its curve': 'it does, and finds no signature of it valid',
      "rejects a signature for 'PS": 'its WebCrypto accepts a PSS signature plus the modulus',
      'says which of them is unusable': 'as above',
      'that rejects does not end the process': 'the test starts a process with flags of Node',
      'does not keep a token for the next request of its connection':
        'its node:http drops a request that was sent before an answer',
    },
  },
  {
    name: 'workerd',
    binary: '@cloudflare/workerd-linux-64/bin/workerd',
    conditions: ['workerd', 'worker', 'browser', 'import'],
    without: {
      'at once': 'SHA-256 is a promise there',
      'the Node twin': 'it is not used there, and its node:crypto verifies by no `KeyObject` beside options',
      'lets other work go on': 'its WebCrypto answers within the same turn of the event loop',
    },
  },
]

/** What the tests import by names of their own. */
const names: Plugin = {
  name: 'tests',
  setup(builder) {
    builder.onResolve({ filter: /^vitest$/ }, () => ({ path: join(FOLDER, 'vitest.ts') }))
    builder.onResolve({ filter: /^#core\// }, ({ path }) => ({
      path: join(
        ROOT,
        'packages/core',
        SOURCE.length === 0 ? path.replace(/^#core\/(.*)\.ts$/, 'dist/$1.js') : path.replace('#core', 'src'),
      ),
    }))
  },
}

function testsOf(files: readonly string[]): Plugin {
  const imports = files.map((file) => `'${file}': () => import('./${file}')`)
  return {
    name: 'list of tests',
    setup(builder) {
      builder.onResolve({ filter: /^bearergate:tests$/ }, ({ path }) => ({ path, namespace: 'tests' }))
      builder.onLoad({ filter: /./, namespace: 'tests' }, () => ({
        contents: `export default {${imports.join()}}`,
        resolveDir: ROOT,
      }))
    },
  }
}

/** The program for a runtime: everything in one file, chosen by the runtime's own conditions. */
async function bundle({ name, conditions }: Runtime): Promise<string> {
  const isWorker = name === 'workerd'
  const files = isWorker ? await withoutServers() : TESTS
  const outfile = join(made, `${name.replace(' ', '')}.mjs`)
  await build({
    entryPoints: [join(FOLDER, isWorker ? 'worker.ts' : 'main.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: isWorker ? 'neutral' : 'node',
    mainFields: ['module', 'main'],
    conditions: [...SOURCE, ...conditions],
    external: ['node:*', ...(isWorker ? [] : OF_SERVERS)],
    plugins: [names, testsOf(files)],
    logLevel: 'error',
  })
  return outfile
}

/** Those of the tests that need no server, nor another process. */
async function withoutServers(): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [...TESTS],
    outdir: made,
    write: false,
    metafile: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    plugins: [names],
    logLevel: 'error',
  })
  const needsServer = (file: string, seen = new Set<string>()): boolean => {
    if (seen.has(file)) return false
    seen.add(file)
    const imports = metafile.inputs[file]?.imports ?? []
    return imports.some(({ path, external }) =>
      external ? OF_SERVERS.includes(path) : needsServer(path, seen),
    )
  }
  return TESTS.filter((file) => !needsServer(file))
}

async function reportOf(runtime: Runtime): Promise<Report> {
  const program = await bundle(runtime)
  const without = Object.keys(runtime.without ?? {})
  if (runtime.name === 'workerd') return onWorkerd(program, without)
  const command = [...(runtime.args ?? []), program, ...without]
  const { stdout } = await promisify(execFile)(installed(runtime.binary), command, {
    cwd: made,
    timeout: 500_000,
    maxBuffer: 2 ** 26,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report
}

async function onWorkerd(program: string, without: readonly string[]): Promise<Report> {
  const { origin, close } = await startWorker(program, {}, ['nodejs_compat'])
  try {
    const query = new URLSearchParams(without.map((title): [string, string] => ['without', title]))
    return JSON.parse((await send(`${origin}/?${query}`)).text) as Report
  } finally {
    await close()
  }
}

afterAll(() => rmSync(made, { recursive: true, force: true }))

describe('the tests pass', () => {
  for (const runtime of RUNTIMES) {
    const { name, binary } = runtime
    const isThere = existsSync(installed(binary))
    if (!isThere) console.warn(`${name} is not installed: npm ci --prefix test/runtimes`)
    it.skipIf(!isThere)(`on ${name}`, { timeout: 600_000 }, async () => {
      const { passed, failed } = await reportOf(runtime)
      expect(failed).toEqual([])
      // A bundle that lost its tests would pass as well.
      expect(passed).toBeGreaterThan(2_000)
    })
  }
})

it('lists every tested runtime in docs/runtimes.md', () => {
  for (const { name } of RUNTIMES) expect(PAGE).toContain(name)
})

describe('the core', () => {
  it('needs no module of Node if it is bundled for Workers', async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `export * from '@bearergate/core'; export * from '@bearergate/core/presets'; export * from '@bearergate/core/lambda'`,
        resolveDir: resolve(ROOT, 'test'),
      },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      conditions: [...SOURCE, 'workerd', 'worker', 'browser'],
      external: ['node:*'],
    })
    const text = outputFiles[0]?.text ?? ''
    expect(text).toContain('createGate')
    expect(text).not.toMatch(/(?:from|import|require\()\s*["']node:/)
  })
})
