/** Loads `@bearergate/redis` for `require()`: the ES module, so that there is one copy of it. */
module.exports = require('../dist/index.js')
