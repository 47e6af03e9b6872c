/**
 * Finds the code that explains tokens, on runtimes whose code is bundled into one file. There it would add a quarter to the size
 * of every bundle, so it is there only if the application imports `@bearergate/core/explain`. The twin of `load-explain.node.ts`.
 */

import { configurationError } from '../lib/configuration-error.ts'
import type { Explain } from './explain.ts'

let provided: Explain | undefined

/** @throws TypeError if the application did not import the code */
export async function loadExplain(): Promise<Explain> {
  if (provided !== undefined) return provided
  throw configurationError(
    'MISSING_OPTION',
    'gate.explain() needs code that is not part of every bundle: import the module "@bearergate/core/explain" once',
  )
}

export function provideExplain(given: Explain): void {
  provided = given
}
