import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** The tests run from source; with `BEARERGATE_TARGET=dist` they run from what `pnpm build` made. */
const fromDist = process.env.BEARERGATE_TARGET === 'dist'
const conditions = [...(fromDist ? [] : ['@bearergate/source']), 'module', 'node', 'development|production']
const core = fileURLToPath(new URL('packages/core/', import.meta.url))

/** The folders of each project. `npx pnpm@12.21.0 test unit` runs one project; see `test/run.mjs`. */
const PROJECTS = {
  unit: ['core', 'vectors'],
  hosts: ['adapters'],
  hostile: ['inputs', 'fuzz'],
  faults: ['faults', 'redis'],
  package: ['packaging'],
  e2e: ['interop', 'examples'],
  runtimes: ['runtimes'],
}

/** These change nothing outside themselves, or undo it, so their files share a process: it starts, and loads the code, once. */
const SHARED = ['unit', 'hosts']

export default defineConfig({
  resolve: {
    conditions,
    // `#core/extract.ts` is a module of the core that it does not export, tested by itself.
    alias: [{ find: /^#core\/(.*)\.ts$/, replacement: fromDist ? `${core}dist/$1.js` : `${core}src/$1.ts` }],
  },
  ssr: { resolve: { conditions } },
  test: {
    // Output of a test is shown only if it fails: one line per file otherwise.
    silent: 'passed-only',
    // Many tests make the mistakes that the gate warns about.
    execArgv: ['--disable-warning=BEARERGATE_MISTAKE'],
    slowTestThreshold: Number.POSITIVE_INFINITY,
    // Vitest leaves a core unused by default. The tests wait for events and never for each other, so all cores may work.
    maxWorkers: '100%',
    // Generous on purpose: these end tests that hang, on a machine that does other work with all its cores.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    unstubGlobals: true,
    // Keeps the transformed files in node_modules, by their content and the conditions, so that further runs start sooner.
    experimental: { fsModuleCache: true },
    projects: Object.entries(PROJECTS).map(([name, folders]) => ({
      extends: true,
      test: {
        name,
        isolate: !SHARED.includes(name),
        include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
        ...(folders.includes('vectors') && { globalSetup: 'test/support/vectors-notice.ts' }),
        ...(folders.includes('packaging') && { globalSetup: 'test/packaging/build.ts' }),
      },
    })),
  },
})
