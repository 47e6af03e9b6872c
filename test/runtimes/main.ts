/** The suite as a program: what it says, as one line of JSON. */

import { run } from './suite.ts'

console.log(JSON.stringify(await run()))
