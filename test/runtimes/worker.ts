/** The suite as a Worker, whose keys and promises are made within a request. */

import tests from 'bearergate:tests'
import { run } from './suite.ts'

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/ready') return new Response('')
    return Response.json(await run(tests, searchParams.getAll('without')))
  },
}
