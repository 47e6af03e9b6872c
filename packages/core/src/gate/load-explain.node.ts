/** Loads the code that explains tokens, on runtimes that load modules one by one. The twin of `load-explain.ts`. */

import type { Explain } from './explain.ts'

/** Loads the code when it is first needed, because a request never needs it. */
export async function loadExplain(): Promise<Explain> {
  const { explain } = await import('./explain.ts')
  return explain
}

/** Ignores the code, which this runtime loads itself. */
export function provideExplain(_given: Explain): void {}
