/**
 * Prints one line at the end of a run whose tests of public vectors were skipped. Runs in the main process of Vitest:
 * the output of a test is hidden unless it fails, and each file would print a line of its own.
 */

import type { TestProject } from 'vitest/node'
import { hasVectors, VECTORS_NOTICE } from './vectors.ts'

export default function setup(project: TestProject): () => void {
  return () => {
    const wasSkipped = project.vitest.state
      .getFiles()
      .some(
        ({ filepath, tasks }) =>
          filepath.includes('/test/vectors/') && tasks.some(({ mode }) => mode === 'skip'),
      )
    if (!hasVectors && wasSkipped) console.warn(VECTORS_NOTICE)
  }
}
