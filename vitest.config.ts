import { defineConfig } from 'vitest/config'

/** The tests run from source; with `BEARERGATE_TARGET=dist` they run from what `pnpm build` made. */
const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['@bearergate/source']

export default defineConfig({
  resolve: { conditions: [...conditions, 'node', 'module', 'import', 'default'] },
  ssr: { resolve: { conditions: [...conditions, 'node', 'module', 'import', 'default'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    unstubGlobals: true,
  },
})
