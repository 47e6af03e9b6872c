/** What a cached verification costs as things grow, what a cached token costs in memory, and what the core costs to load. */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import type { Growth } from './growth.ts'
import type { Memory } from './memory.ts'
import { median } from './report.ts'
import { messageOf, startScript } from './servers.ts'

export interface Costs {
  readonly growth: readonly Growth[]
  readonly memory: Memory
  /** Milliseconds, medians: jose alone, and the core after it. */
  readonly imports: { readonly jose: number; readonly core: number }
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
  progress('imports and size')
  return { growth: grown, memory, imports: imports(isQuick ? 5 : 15), edge: await edge() }
}

/** In new processes, one after the other. */
function imports(runs: number): Costs['imports'] {
  const script = `
    const begin = performance.now(); await import('jose')
    const jose = performance.now(); await import('@bearergate/core')
    console.log(JSON.stringify([jose - begin, performance.now() - jose]))`
  const times = Array.from({ length: runs }, () => {
    const args = ['--input-type=module', '--eval', script]
    const cwd = fileURLToPath(new URL('.', import.meta.url))
    return JSON.parse(execFileSync(process.execPath, args, { cwd, encoding: 'utf8' })) as [number, number]
  })
  return { jose: median(times.map(([jose]) => jose)), core: median(times.map(([, core]) => core)) }
}

/** As a bundler for Workers makes it. */
async function edge(): Promise<Costs['edge']> {
  const bundle = (names: string, ...external: readonly string[]) =>
    build({
      stdin: {
        contents: `export ${names} from '@bearergate/core'`,
        resolveDir: fileURLToPath(new URL('.', import.meta.url)),
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
