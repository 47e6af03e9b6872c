/** Exports the API that needs Node, as `@bearergate/core/node`. The other entry points run on every runtime. */

export { publicFetch } from './net/public-fetch.node.ts'
