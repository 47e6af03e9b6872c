/** A server on loopback that was told to listen: where its port is taken, it takes a free one. */

import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Running {
  readonly origin: string
  close(): Promise<void>
}

export async function running(server: Server): Promise<Running> {
  try {
    await once(server, 'listening')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    await once(server.listen(0, '127.0.0.1'), 'listening')
  }
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
