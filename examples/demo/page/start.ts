/** Starts the page, with the API of the other package and the traffic that the page compares. */

import type { Server } from 'node:http'
import type { Api } from '../apis.ts'
import { rivalApi } from '../rival-api.ts'
import { type Running, running } from '../running.ts'
import { createTraffic } from '../traffic.ts'
import { startServer, type World } from './server.ts'

/** @param port of the page; 0, or a port that is taken, gives a free one */
export async function startPage(world: Omit<World, 'traffic'>, port: number): Promise<Running> {
  const rival = await running(rivalApi(world.server.issuer).listen(0, '127.0.0.1') as Server)
  const [express] = world.apis as readonly [Api]
  const traffic = createTraffic(world.server, [express.origin, rival.origin])
  const page = await startServer({ ...world, traffic }, port)
  return {
    origin: page.origin,
    async close() {
      traffic.stop()
      await Promise.all([page.close(), rival.close()])
    },
  }
}
