/** The tests that are bundled. */
declare module 'bearergate:tests' {
  const tests: import('./suite.ts').Tests
  export default tests
}
