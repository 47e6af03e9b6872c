/** The suite as a Worker, whose keys and promises are made within a request. */

import { run } from './suite.ts'

export default { fetch: async () => Response.json(await run()) }
