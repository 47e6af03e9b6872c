/** examples/streams: its streams end when their token is revoked or expires, and not before. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Client, createClient } from 'graphql-ws'
import { decodeJwt } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { AUDIENCE, startAuthorizationServer } from '../../examples/demo/authorization-server.ts'

describe('examples/streams', () => {
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** Starts the example with an issuer whose tokens live so long. In seconds. */
  async function start(lifetime: number): Promise<{ origin: string; token: string }> {
    const issuer = await startAuthorizationServer('read', lifetime)
    const cwd = fileURLToPath(new URL('../../examples/streams/', import.meta.url))
    const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
    const env = { ...process.env, ISSUER: issuer.issuer, AUDIENCE, PORT: '0' }
    const child = spawn(process.execPath, [...conditions, '--import', 'tsx', 'app.ts'], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    closing.push(async () => {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await issuer.close()
    })
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    return { origin: String(line).replace('Listening on ', ''), token: await issuer.issue('read') }
  }

  /** Connects the client of graphql-ws in the way of a browser: the token is a subprotocol. */
  function graphqlClient(origin: string, token: string): Client {
    const client = createClient({
      url: `${origin.replace('http', 'ws')}/graphql`,
      webSocketImpl: class extends WebSocket {
        constructor(url: string, protocol: string) {
          super(url, [protocol, `bearer.${token}`])
        }
      },
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: () => {},
    })
    closing.push(() => client.dispose())
    return client
  }

  /** Sends a query or a mutation. */
  async function ask(client: Client, query: string): Promise<unknown> {
    for await (const { data } of client.iterate({ query })) return data
    throw new Error('There was no result')
  }

  /** Subscribes, and returns the messages when the example has the subscription. */
  async function subscribe(client: Client): Promise<AsyncIterator<unknown>> {
    const messages = client.iterate({ query: 'subscription { messages }' })
    await subscribers(client, 1)
    return messages
  }

  /** Waits until the example has this many subscriptions. */
  async function subscribers(client: Client, count: number): Promise<void> {
    while (((await ask(client, '{ subscribers }')) as { subscribers: number }).subscribers !== count);
  }

  const message = (text: string) => ({ done: false, value: { data: { messages: `demo-client: ${text}` } } })

  /** Opens a stream of each kind, and sees that it works. Returns what each of them ends with. */
  async function open(origin: string, token: string) {
    const headers = { authorization: `Bearer ${token}` }
    const events = await fetch(`${origin}/api/events`, { headers })
    const socket = new WebSocket(origin.replace('http', 'ws'), { headers })
    const [hello] = await once(socket, 'message')
    expect(String(hello)).toBe('hello demo-client')
    const client = graphqlClient(origin, token)
    const messages = await subscribe(client)
    expect(await ask(client, 'mutation { send(text: "hello") }')).toEqual({ send: true })
    expect(await messages.next()).toEqual(message('hello'))
    const failed = messages.next().then(
      () => expect.unreachable('The subscription has no further message'),
      ({ code, reason }) => [code, reason],
    )
    return { ended: Promise.all([events.text(), once(socket, 'close'), failed]) }
  }

  const endedBy = (code: string) => [
    `data: hello demo-client\n\nevent: end\ndata: ${code}\n\n`,
    [1008, Buffer.from(code)],
    [4403, code],
  ]

  it('ends an event stream, a WebSocket and a GraphQL subscription when the token expires, and not before', async () => {
    const { origin, token } = await start(5)
    const { ended } = await open(origin, token)
    expect(await ended).toEqual(endedBy('ERR_TOKEN_EXPIRED'))
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(decodeJwt(token).exp ?? Number.NaN)
  })

  it('ends an event stream, a WebSocket and a GraphQL subscription when the token is revoked', async () => {
    const { origin, token } = await start(3600)
    const { ended } = await open(origin, token)
    await fetch(`${origin}/api/logout`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    expect(await ended).toEqual(endedBy('ERR_TOKEN_REVOKED'))
  })

  it('releases a GraphQL subscription without a further message when its client unsubscribes or disconnects', async () => {
    const { origin, token } = await start(3600)
    const [client, other] = [graphqlClient(origin, token), graphqlClient(origin, token)]
    const messages = await subscribe(client)
    await messages.return?.()
    await subscribers(client, 0)
    await subscribe(client)
    await client.dispose()
    await subscribers(other, 0)
  })

  // graphql-ws has a listener of its own for the errors of `/graphql`.
  it('goes on after an invalid frame on a WebSocket', async () => {
    const { origin, token } = await start(3600)
    const headers = {
      Authorization: `Bearer ${token}`,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    const [, socket] = await once(request(origin, { headers }).end(), 'upgrade')
    socket.on('error', () => {})
    socket.resume()
    socket.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0])) // Reserved bits, and an opcode that does not exist (RFC 6455 §5.2).
    await once(socket, 'close')
    const answer = await fetch(`${origin}/api/logout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(await answer.json()).toEqual({ loggedOut: true })
  })

  it('does not open a GraphQL connection without a token', async () => {
    const { origin } = await start(3600)
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const [error] = await once(socket, 'error')
    expect(error.message).toBe('Unexpected server response: 401')
  })
})
