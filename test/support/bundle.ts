/** An example in one file, as it is deployed: from source, or from what was built. */

import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'esbuild'

/** The condition by which the packages are taken from source, unless `BEARERGATE_TARGET=dist`. */
export const SOURCE: readonly string[] =
  process.env.BEARERGATE_TARGET === 'dist' ? [] : ['@bearergate/source']

export const exampleFolder = (name: string) =>
  fileURLToPath(new URL(`../../examples/${name}/`, import.meta.url))

export async function bundle({ conditions = [], ...options }: BuildOptions): Promise<void> {
  await build({
    bundle: true,
    format: 'esm',
    conditions: [...SOURCE, ...conditions],
    logLevel: 'error',
    ...options,
  })
}
