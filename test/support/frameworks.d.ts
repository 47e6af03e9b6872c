/** The older majors under test have the types of the newer ones, as far as the tests use them. */

declare module 'express4' {
  export { default } from 'express'
}
declare module 'node-fetch2' {
  export { default } from 'node-fetch'
}
declare module 'koa2' {
  export { default } from 'koa'
}
