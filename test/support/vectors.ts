/** Public test vectors, kept outside of the project: where they are absent, their tests are skipped, and say so. */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const directory =
  process.env.BEARERGATE_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))

/** Whether the vectors are there. */
export const hasVectors = existsSync(directory)

if (!hasVectors)
  console.warn(`Skipped: no test vectors in ${directory}; name their directory in BEARERGATE_VECTORS.`)

// biome-ignore lint/suspicious/noExplicitAny: the vectors are what they are
export function vectors(file: string): any {
  return JSON.parse(readFileSync(`${directory}/${file}`, 'utf8'))
}
