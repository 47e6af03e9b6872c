/** The suite as a Worker, whose keys and promises are made within a request. */

import { run } from './suite.ts'

export default {
  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === '/ready') return new Response('')
    return Response.json(await run())
  },
}
