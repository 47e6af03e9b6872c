/** What runs on Node only, exported as `@bearergate/core/node`. */

export { publicFetch } from './net/public-fetch.node.ts'
