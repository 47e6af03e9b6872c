/** Declares what `require('@bearergate/redis')` returns. */
// @ts-ignore TS1479: with `module: node16`, TypeScript rejects `require()` of an ES module, which Node supports.
export * from '../dist/index.js'
