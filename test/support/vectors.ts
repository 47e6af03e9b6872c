/** Reads the public test vectors. They are kept outside of the repository, and never copied into it. */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const directory =
  process.env.BEARERGATE_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))

/** Whether the vectors exist. Without them their tests are skipped, and `vectors-notice.ts` says so. */
export const hasVectors = existsSync(directory)

export const VECTORS_NOTICE = `Skipped the public test vectors: ${directory} does not exist. Set BEARERGATE_VECTORS to their directory.`

// biome-ignore lint/suspicious/noExplicitAny: the vectors have many forms
export function vectors(file: string): any {
  return JSON.parse(readFileSync(`${directory}/${file}`, 'utf8'))
}
