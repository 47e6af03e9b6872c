/** A TCP relay on loopback that can end connections, or stop to carry them without a word, as a firewall does that forgets them. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Relay {
  readonly port: number
  /** Over plain http. */
  readonly origin: string
  /** How often something was sent on connections that were lost. */
  readonly lost: number
  /** Closes new connections at once while it is set. */
  isBlocked: boolean
  /** Ends the connections that there are, by FIN, by RST, or without a word. New ones are carried. */
  end(fate: 'closed' | 'reset' | 'lost without a word'): void
  close(): Promise<void>
}

/** Carries the connections between a client and a server on this port. */
export async function startRelay(to: number): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const sockets = new Set<Socket>()
  let lost = 0
  const server = createServer((client) => {
    if (relay.isBlocked) {
      client.destroy()
      return
    }
    const upstream = connect(to, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    client.pipe(upstream).pipe(client)
    for (const socket of pair) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        pairs.delete(pair)
        sockets.delete(socket)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const relay: Relay = {
    port,
    isBlocked: false,
    origin: `http://127.0.0.1:${port}`,
    get lost() {
      return lost
    },
    end(fate) {
      for (const [client, upstream] of pairs) {
        client.unpipe()
        upstream.unpipe()
        client.once('data', () => {
          lost += 1
        })
        client.resume()
        if (fate === 'closed') client.destroy()
        if (fate === 'reset') client.resetAndDestroy()
      }
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  return relay
}
