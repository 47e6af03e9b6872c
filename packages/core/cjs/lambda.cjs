/** Loads `@bearergate/core/lambda` for `require()`: the ES module, so that there is one copy of it. */
module.exports = require('../dist/hosts/lambda/index.js')
