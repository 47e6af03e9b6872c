/**
 * Adds the code of `gate.explain` to a bundle, as `@bearergate/core/explain`. Needed on Workers, in browsers and on other runtimes
 * whose code is bundled: import the module once, anywhere. On Node, Bun and Deno it has no effect.
 */

import { provideExplain } from '#load-explain'
import { explain } from './gate/explain.ts'

provideExplain(explain)
