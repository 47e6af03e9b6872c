import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** The tests run from source; with `BEARERGATE_TARGET=dist` they run from what `pnpm build` made. */
const fromDist = process.env.BEARERGATE_TARGET === 'dist'
const conditions = [...(fromDist ? [] : ['@bearergate/source']), 'module', 'node', 'development|production']
const core = fileURLToPath(new URL('packages/core/', import.meta.url))

export default defineConfig({
  resolve: {
    conditions,
    // `#core/extract.ts` is a module of the core that it does not export, tested by itself.
    alias: [{ find: /^#core\/(.*)\.ts$/, replacement: fromDist ? `${core}dist/$1.js` : `${core}src/$1.ts` }],
  },
  ssr: { resolve: { conditions } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    unstubGlobals: true,
  },
})
