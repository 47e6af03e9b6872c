/** Declares what `require('@bearergate/core/signals')` returns. */
// @ts-ignore TS1479: with `module: node16`, TypeScript rejects `require()` of an ES module, which Node supports.
export * from '../dist/signals/index.js'
