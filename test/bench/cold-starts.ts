/** What the first request of a process costs: time, and calls to the issuer. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { Authority } from './authority.ts'
import { COLD_STARTS, type ColdSetup, type ColdStart } from './cold-start.ts'
import { median } from './report.ts'

export interface ColdStarts extends ColdStart {
  readonly name: string
  /** Before the first answer. */
  readonly calls: number
}

/** In new processes, in turn within each round; medians. */
export async function coldStarts(
  authority: Authority,
  isQuick: boolean,
  progress: (text: string) => void,
): Promise<readonly ColdStarts[]> {
  progress('cold starts')
  const folder = await mkdtemp(join(tmpdir(), 'bearergate-cold-'))
  try {
    const program = await bundle(folder)
    const { setup, jwks, fetches } = authority
    const { issuer, audience, jwksUri } = setup
    const cold: ColdSetup = { issuer, audience, jwksUri, jwks, token: await authority.mint('RS256') }
    const runs = new Map<string, ColdStarts[]>()
    for (let round = 0; round < (isQuick ? 5 : 15); round += 1)
      for (const name of Object.keys(COLD_STARTS)) {
        const before = fetches.metadata + fetches.keys
        const { stdout } = await promisify(execFile)(process.execPath, [program, name, JSON.stringify(cold)])
        const calls = fetches.metadata + fetches.keys - before
        runs.set(name, [...(runs.get(name) ?? []), { ...JSON.parse(stdout), name, calls }])
      }
    return [...runs].map(([name, all]) => {
      const of = (what: 'load' | 'first' | 'second' | 'calls') => median(all.map((one) => one[what]))
      return { name, load: of('load'), first: of('first'), second: of('second'), calls: of('calls') }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Each way loads its own part only. */
async function bundle(outdir: string): Promise<string> {
  await build({
    entryPoints: [fileURLToPath(new URL('cold-start.ts', import.meta.url))],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    conditions: ['node', 'import'],
    banner: {
      js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);",
    },
    logLevel: 'error',
  })
  return join(outdir, 'cold-start.mjs')
}
