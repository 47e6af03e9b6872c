/** An issuer whose DNS names resolve to our own network, against `publicFetch`. Runs on Node, where its TLS needs no certificate. */

import type { LookupAddress } from 'node:dns'
import https, { Agent, createServer, type Server } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { createGate } from '@bearergate/core'
import { publicFetch } from '@bearergate/core/node'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fetchOver } from '#core/net/client.node.ts'
import type { Fetch } from '#core/net/fetch-json.ts'
import { publicLookup } from '#core/net/public-fetch.node.ts'
import { AUDIENCE, createKey, ISSUER } from '../support/issuer.ts'

let resolved: readonly string[] = []
let lookups: string[] = []

vi.mock('node:dns', () => ({
  lookup(
    hostname: string,
    _options: unknown,
    callback: (error: Error | null, addresses?: readonly LookupAddress[]) => void,
  ) {
    lookups.push(hostname)
    if (resolved.length === 0) callback(new Error(`getaddrinfo ENOTFOUND ${hostname}`))
    else
      callback(
        null,
        resolved.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
  },
}))

const closing: (() => void)[] = []
afterEach(() => {
  resolved = []
  lookups = []
  for (const close of closing.splice(0)) close()
})

/** A server on loopback that counts connections. */
async function countConnections(): Promise<{ readonly port: number; readonly count: () => number }> {
  let count = 0
  const server = createTcpServer((socket) => {
    count += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return { port: (server.address() as AddressInfo).port, count: () => count }
}

describe('publicFetch', () => {
  it('rejects also if another library replaced `https.request` and takes another agent', async () => {
    const { port, count } = await countConnections()
    resolved = ['127.0.0.1']
    const replaced = vi.spyOn(https, 'request').mockImplementation(() => {
      throw new Error('the check of addresses was bypassed')
    })
    closing.push(() => replaced.mockRestore())
    await expect(publicFetch(`https://keys.example.net:${port}/`, {})).rejects.toThrow('is not public')
    expect([replaced.mock.calls.length, count()]).toEqual([0, 0])
  })

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '::'])(
    'rejects before it connects if the name resolves to %s (ATK11)',
    async (address) => {
      const { port, count } = await countConnections()
      resolved = [address]
      await expect(publicFetch(`https://keys.example.net:${port}/`, {})).rejects.toThrow(
        `Refusing to connect to keys.example.net: the address ${address} is not public`,
      )
      expect(lookups).toEqual(['keys.example.net'])
      expect(count()).toBe(0)
    },
  )

  it.each([
    '127.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '2130706433',
    '169.254.169.254',
    'localhost',
    'a.localhost',
  ])('rejects the host %s without a lookup (ATK11)', async (host) => {
    const { port, count } = await countConnections()
    await expect(publicFetch(`https://${host}:${port}/`, {})).rejects.toThrow('Refusing to connect')
    expect(lookups).toEqual([])
    expect(count()).toBe(0)
  })

  it('rejects plain http (ATK11)', async () => {
    resolved = ['8.8.8.8']
    await expect(publicFetch('http://keys.example.net/', {})).rejects.toThrow(
      'Protocol "http:" not supported',
    )
  })

  it('makes a gate answer 503 if the host of the keys resolves to the metadata service of a cloud (ATK11)', async () => {
    resolved = ['169.254.169.254']
    const key = await createKey()
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      fetch: publicFetch,
      jwksUri: 'https://keys.example.net/',
    })
    const headers = { authorization: `Bearer ${await key.sign({ exp: 4_102_444_800 })}` }
    const decision = await gate.authenticate(new Request(AUDIENCE, { headers }))
    expect(decision).toMatchObject({ ok: false, status: 503 })
    expect(lookups).toEqual(['keys.example.net'])
  })
})

describe('its lookup', () => {
  const look = (options: object) =>
    new Promise((resolve) => {
      publicLookup('keys.example.net', options, (error, ...found) => resolve(error?.message ?? found))
    })

  it('the lookup returns public addresses in the requested form (ATK11)', async () => {
    resolved = ['8.8.8.8', '2606:4700::1111']
    const all = [
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ]
    expect(await look({ all: true })).toEqual([all])
    expect(await look({})).toEqual(['8.8.8.8', 4])
  })

  it.each([
    ['10.0.0.1'],
    ['8.8.8.8', '10.0.0.1'],
    ['2606:4700::1111', 'fd00::1'],
    ['fe80::1%eth0'],
    ['64:ff9b::808:808'],
    ['not an address'],
  ])('fails if any address is not public: %s, %s (ATK11)', async (...addresses) => {
    resolved = addresses.filter((address) => address !== undefined)
    const refusal = `Refusing to connect to keys.example.net: the address ${resolved.at(-1)} is not public`
    expect(await look({ all: true })).toBe(refusal)
    expect(await look({})).toBe(refusal)
  })

  it('fails as Node does if there is no such name (ATK11)', async () => {
    expect(await look({ all: true })).toBe('getaddrinfo ENOTFOUND keys.example.net')
  })
})

describe('its requests', () => {
  /** A server and an agent that share a key instead of a certificate. */
  async function start(
    listener: (server: Server) => void,
  ): Promise<{ readonly url: string; readonly fetch: Fetch }> {
    const psk = Buffer.alloc(32, 1)
    const settings = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
    const server = createServer({ ...settings, pskCallback: () => psk })
    listener(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const secret = {
      ...settings,
      pskCallback: () => ({ psk, identity: 'test' }),
      checkServerIdentity: () => undefined,
    }
    const fetch = fetchOver({ 'https:': (kept) => new Agent({ ...kept, ...secret }) })
    closing.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/keys?a=b`, fetch }
  }

  it('sends method, headers and form, and returns status, headers and body', async () => {
    const { url, fetch } = await start((server) =>
      server.on('request', async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk)
        const { method, url, headers } = request
        const { accept, 'content-type': type } = headers
        const body = Buffer.concat(chunks).toString()
        response.writeHead(200, {
          'content-type': 'application/json',
          'x-list': ['a', 'b'],
        })
        response.end(JSON.stringify({ method, url, accept, type, body }))
      }),
    )
    const got = await fetch(url, { headers: { accept: 'application/json' } })
    expect(got.headers.get('x-list')).toBe('a, b')
    expect(await got.json()).toEqual({
      method: 'GET',
      url: '/keys?a=b',
      accept: 'application/json',
      body: '',
    })
    const posted = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ token: 'a b' }),
      headers: new Headers(),
    })
    expect(await posted.json()).toEqual({
      method: 'POST',
      url: '/keys?a=b',
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      body: 'token=a+b',
    })
  })

  it.each([
    ['switches protocols', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n'],
    ['closes', ''],
    ['closes after an interim response', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('fail if the server %s', async (_, answer) => {
    const { url, fetch } = await start((server) =>
      server.on('request', ({ socket }) => void socket.end(answer)),
    )
    await expect(fetch(url, {})).rejects.toThrow(/closed|socket hang up/)
  })

  it.each([204, 302, 304, 404, 503])('returns the status %i without following a redirect', async (status) => {
    const { url, fetch } = await start((server) =>
      server.on('request', (_request, response) =>
        response.writeHead(status, { location: 'https://127.0.0.1/', 'retry-after': '5' }).end(),
      ),
    )
    const response = await fetch(url, {})
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, '5'])
  })

  it('end with their signal, before the answer and within its body', async () => {
    const { url, fetch } = await start((server) =>
      server.on('request', (request, response) => {
        if (request.method === 'GET') response.writeHead(200).write('{')
      }),
    )
    const before = new AbortController()
    const waiting = fetch(url, { method: 'POST', signal: before.signal })
    before.abort()
    await expect(waiting).rejects.toThrow('aborted')
    const within = new AbortController()
    const response = await fetch(url, { signal: within.signal })
    within.abort()
    await expect(response.text()).rejects.toThrow()
  })

  it('reject if the certificate is not trusted', async () => {
    const { url } = await start((server) => server.on('request', (_request, response) => response.end()))
    await expect(fetchOver({ 'https:': () => new Agent() })(url, {})).rejects.toThrow()
  })
})
