/** Loads `@bearergate/core/explain` for `require()`: the ES module, so that there is one copy of it. */
module.exports = require('../dist/explain.js')
