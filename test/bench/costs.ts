/** What a cached verification costs as things grow, what a cached token costs in memory, and what the core costs to load. */

import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import type { Growth } from './growth.ts'
import type { Members } from './members.ts'
import type { Memory } from './memory.ts'
import { median } from './report.ts'
import { messageOf, startScript } from './servers.ts'

export interface Costs {
  readonly growth: readonly Growth[]
  readonly memory: Memory
  readonly members: Members
  /** Milliseconds, medians: jose alone, the core after it, and the same core as one file, with the number of its files. */
  readonly imports: {
    readonly jose: number
    readonly core: number
    readonly asOneFile: number
    readonly files: number
  }
  /** Bytes after gzip, without jose: of `createGate` and `scope`, the same without lru-cache, and of everything. */
  readonly edge: {
    readonly gate: number
    readonly withoutLru: number
    readonly all: number
    /** Minified bytes of `withoutLru` by folder of the core, the largest first. */
    readonly folders: readonly (readonly [folder: string, bytes: number])[]
  }
}

export async function costs(isQuick: boolean, progress: (text: string) => void): Promise<Costs> {
  progress('growth')
  const growth = startScript('./growth.ts', '0', isQuick ? '10000' : '100000')
  const grown = await messageOf<Growth[]>(growth, 600)
  progress('memory')
  const memory = await messageOf<Memory>(startScript('./memory.ts', '0'), 120)
  progress('members of requests')
  const members = await messageOf<Members>(startScript('./members.ts', '0'), 120)
  progress('imports and size')
  return { growth: grown, memory, members, imports: await imports(isQuick ? 5 : 15), edge: await edge() }
}

const HERE = fileURLToPath(new URL('.', import.meta.url))

/** In new processes, in turn. The core as one file shows how much of its import is the number of its files. */
async function imports(runs: number): Promise<Costs['imports']> {
  // Below this folder, so that jose is found.
  const folder = await mkdtemp(join(HERE, 'node_modules/.import-'))
  try {
    const outfile = join(folder, 'core.mjs')
    const { metafile } = await build({
      stdin: { contents: "export * from '@bearergate/core'", resolveDir: HERE },
      bundle: true,
      format: 'esm',
      platform: 'node',
      conditions: ['node', 'import'],
      external: ['jose', 'lru-cache'],
      metafile: true,
      outfile,
      plugins: [LATER],
    })
    const files = Object.keys(metafile.inputs).filter((path) => path.includes('/dist/')).length
    const times = Array.from({ length: runs }, () => ({
      whole: importTimes('@bearergate/core'),
      one: importTimes(pathToFileURL(outfile).href),
    }))
    return {
      jose: median(times.map(({ whole }) => whole.jose)),
      core: median(times.map(({ whole }) => whole.core)),
      asOneFile: median(times.map(({ one }) => one.core)),
      files,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Leaves out what is loaded when it is first needed. */
const LATER: Plugin = {
  name: 'later',
  setup({ onResolve }) {
    onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    )
  },
}

/** Imports jose, and then a module. In milliseconds. */
function importTimes(module: string): { readonly jose: number; readonly core: number } {
  const script = `
    const begin = performance.now(); await import('jose')
    const jose = performance.now(); await import('${module}')
    console.log(JSON.stringify({ jose: jose - begin, core: performance.now() - jose }))`
  const args = ['--input-type=module', '--eval', script]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: HERE, encoding: 'utf8' }))
}

/** As a bundler for Workers makes it. */
async function edge(): Promise<Costs['edge']> {
  const bundle = (names: string, ...external: readonly string[]) =>
    build({
      stdin: {
        contents: `export ${names} from '@bearergate/core'`,
        resolveDir: HERE,
      },
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      conditions: ['workerd', 'worker', 'browser'],
      external: ['jose', ...external],
      write: false,
      metafile: true,
      outfile: 'edge.js',
    })
  const size = async (...what: Parameters<typeof bundle>) => {
    const { outputFiles } = await bundle(...what)
    return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  }
  const gate = '{ createGate, scope }'
  const { metafile } = await bundle(gate, 'lru-cache')
  const folders = new Map<string, number>()
  for (const [path, { bytesInOutput }] of Object.entries(metafile.outputs['edge.js']?.inputs ?? {})) {
    const folder = /dist\/((?:verify\/)?\w+)\//.exec(path)?.[1] ?? 'other'
    folders.set(folder, (folders.get(folder) ?? 0) + bytesInOutput)
  }
  return {
    gate: await size(gate),
    withoutLru: await size(gate, 'lru-cache'),
    all: await size('*'),
    folders: [...folders].sort(([, one], [, other]) => other - one),
  }
}
