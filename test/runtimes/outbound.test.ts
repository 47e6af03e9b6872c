/** Connections that are lost, on each runtime, with its own `fetch` or client: to an issuer that speaks HTTP/1.1, and to one that also speaks HTTP/2. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundle } from '../support/bundle.ts'
import { createCertificate } from '../support/certificate.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { type Relay, startRelay } from '../support/relay.ts'
import { suspend } from '../support/suspend.ts'
import type { Outcome, Task } from './outbound.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const made = mkdtempSync(join(FOLDER, 'made-'))
const installed = (path: string) => join(FOLDER, 'node_modules', path)
const certificate = createCertificate()
const trusted = join(made, 'certificate.pem')

interface Runtime {
  readonly name: string
  readonly binary: string
  readonly conditions: readonly string[]
  readonly args?: readonly string[]
}

const RUNTIMES: readonly Runtime[] = [
  ...['20', '22', '24', '26'].map((major) => ({
    name: `Node ${major}`,
    binary: `node${major}/bin/node`,
    conditions: ['node', 'import'],
  })),
  { name: 'Bun', binary: '@oven/bun-linux-x64/bin/bun', conditions: ['bun', 'node', 'import'] },
  {
    name: 'Deno',
    binary: '@deno/linux-x64-glibc/deno',
    conditions: ['deno', 'node', 'import'],
    args: ['run', '--allow-all', '--no-remote', '--node-modules-dir=manual', `--cert=${trusted}`],
  },
]

const PROTOCOLS = ['HTTP/1.1', 'HTTP/1.1 or HTTP/2', 'HTTP/2'] as const
type Protocol = (typeof PROTOCOLS)[number]

type Request = IncomingMessage | Http2ServerRequest
type Answer = ServerResponse | Http2ServerResponse

/** An authorization server behind a relay. */
class Issuer {
  relay!: Relay
  /** Whether a request is to be dropped: closed without a byte of an answer. */
  drops: (request: Request, nth: number) => boolean = () => false
  readonly #requests = new WeakMap<Socket, number>()
  readonly #server
  readonly #key: TestKey

  constructor(protocol: Protocol, key: TestKey) {
    const answer = (request: Request, response: Answer) => this.#answer(request, response)
    this.#key = key
    this.#server =
      protocol === 'HTTP/1.1'
        ? createServer({ ...certificate }, answer)
        : createSecureServer({ ...certificate, allowHTTP1: protocol !== 'HTTP/2' }, answer)
  }

  get origin(): string {
    return `https://127.0.0.1:${this.relay.port}`
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.relay = await startRelay((this.#server.address() as AddressInfo).port)
    return this
  }

  async close(): Promise<void> {
    await this.relay.close()
    this.#server.close()
  }

  #answer(request: Request, response: Answer): void {
    const session = 'stream' in request ? request.stream.session : undefined
    const { socket } = request
    const nth = (this.#requests.get(socket) ?? 0) + 1
    this.#requests.set(socket, nth)
    if (this.drops(request, nth)) {
      if (session === undefined) socket.destroy()
      else session.destroy()
      return
    }
    const { origin } = this
    const documents: Readonly<Record<string, object>> = {
      '/.well-known/oauth-authorization-server': {
        issuer: origin,
        jwks_uri: `${origin}/keys`,
        introspection_endpoint: `${origin}/introspect`,
      },
      '/keys': { keys: [this.#key.jwk] },
      '/introspect': { active: true, aud: AUDIENCE, sub: 'emma' },
    }
    const body = documents[request.url ?? '']
    response.statusCode = body === undefined ? 404 : 200
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body ?? {}))
  }
}

/** A process of a runtime that asks the issuer. */
class Asker {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #asked = 0

  constructor({ binary, args = [] }: Runtime, program: string, task: Task) {
    this.#child = spawn(installed(binary), [...args, program, JSON.stringify(task)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: trusted },
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]()
  }

  /** Asks about so many tokens at once. */
  async askAtOnce(count: number): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (let asked = 0; asked < count; asked += 1) {
      this.#asked += 1
      this.#child.stdin?.write(`token-${this.#asked}\n`)
    }
    while (outcomes.length < count) outcomes.push(JSON.parse((await this.#lines.next()).value) as Outcome)
    return outcomes
  }

  /** Stops the process, asks about so many tokens, and lets it continue after something has happened. */
  async askSuspended(count: number, happen: () => void): Promise<readonly Outcome[]> {
    await suspend(this.#child)
    const outcomes = this.askAtOnce(count)
    happen()
    this.#child.kill('SIGCONT')
    return outcomes
  }

  /** Asks about one token after another. */
  async ask(count: number): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    while (outcomes.length < count) outcomes.push(...(await this.askAtOnce(1)))
    return outcomes
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

const shown = ({ status, reason }: Outcome) => (reason === undefined ? status : `${status} ${reason}`)

let key: TestKey
beforeAll(async () => {
  writeFileSync(trusted, certificate.cert)
  key = await createKey()
})
afterAll(() => rmSync(made, { recursive: true, force: true }))

for (const runtime of RUNTIMES) {
  const { name, binary, conditions } = runtime
  const isThere = existsSync(installed(binary))
  if (!isThere) console.warn(`${name} is not installed: npm ci --prefix test/runtimes`)
  describe.skipIf(!isThere)(name, () => {
    const program = join(made, `${name.replace(' ', '')}.mjs`)
    beforeAll(() =>
      bundle({
        entryPoints: [join(FOLDER, 'outbound.ts')],
        outfile: program,
        platform: 'node',
        conditions: [...conditions],
      }),
    )

    // Only Deno speaks HTTP/2 to a server with a choice.
    const protocols = PROTOCOLS.filter((protocol) => name === 'Deno' || protocol !== 'HTTP/2')
    describe.each(protocols)('over %s', (protocol) => {
      async function against<T>(
        kind: Task['kind'],
        use: (asker: Asker, issuer: Issuer) => Promise<T>,
      ): Promise<T> {
        const issuer = await new Issuer(protocol, key).start()
        const iss = issuer.origin
        const exp = Math.floor(Date.now() / 1000) + 3600
        const token = await key.sign({ iss, exp, iat: exp - 3600 })
        const asker = new Asker(runtime, program, { kind, issuer: iss, token })
        try {
          return await use(asker, issuer)
        } finally {
          await asker.end()
          await issuer.close()
        }
      }

      it.each(['introspection', 'keys'] as const)(
        '%s: after connections fell silent, no more than one question is answered 503 (FIELD01b)',
        async (kind) => {
          const after = await against(kind, async (asker, { relay }) => {
            expect((await asker.askAtOnce(8)).map(shown)).toEqual(Array(8).fill(200))
            relay.end('lost without a word')
            return asker.ask(4)
          })
          const down = after.filter(({ status }) => status !== 200)
          console.log(
            `${name} over ${protocol}, ${kind}: ${down.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3)} s without a good answer`,
          )
          expect(after.slice(1).map(shown)).toEqual([200, 200, 200])
        },
      )

      it.each(['introspection', 'keys'] as const)(
        '%s: all questions are answered 200 if each second one is closed on its connection without an answer (FIELD02)',
        async (kind) => {
          const all = await against(kind, async (asker, issuer) => {
            issuer.drops = (_request, nth) => nth === 2
            return asker.ask(6)
          })
          expect(all.map(shown)).toEqual(Array(6).fill(200))
        },
      )

      it.each(['introspection', 'keys'] as const)(
        '%s: all questions are answered 200 if each first request of two for a document is closed without an answer (FIELD02)',
        async (kind) => {
          const all = await against(kind, async (asker, issuer) => {
            const dropped = new Map<string, boolean>()
            issuer.drops = ({ url = '' }) => {
              const isDropped = dropped.get(url) !== true
              dropped.set(url, isDropped)
              return isDropped
            }
            return asker.ask(4)
          })
          expect(all.map(shown)).toEqual(Array(4).fill(200))
        },
      )

      it.each(['closed', 'reset'] as const)(
        'all tokens are answered 200 if their connections are %s between questions (FIELD02)',
        async (how) => {
          const all = await against('introspection', async (asker, { relay }) => {
            const outcomes: Outcome[] = []
            for (let round = 0; round < 4; round += 1) {
              outcomes.push(...(await asker.ask(2)))
              relay.end(how)
            }
            return outcomes
          })
          expect(all.map(shown)).toEqual(Array(8).fill(200))
        },
      )

      const held = protocol === 'HTTP/1.1' ? 'FIELD-HELD-35' : 'FIELD-HELD-36'
      it.each(['introspection', 'keys'] as const)(
        `%s: after the process was stopped, tokens are answered 200, although their connections were closed meanwhile (${held})`,
        async (kind) => {
          const all = await against(kind, async (asker, { relay }) => {
            const before = await asker.askAtOnce(4)
            const during = await asker.askSuspended(4, () => relay.end('closed'))
            return [...before, ...during, ...(await asker.ask(2))]
          })
          expect(all.map(shown)).toEqual(Array(10).fill(200))
        },
      )

      it.each(['introspection', 'keys'] as const)(
        `%s: after the process was stopped, no more than the first tokens are answered 503, although their connections were lost without a word (${held})`,
        async (kind) => {
          const after = await against(kind, async (asker, { relay }) => {
            expect((await asker.askAtOnce(4)).map(shown)).toEqual(Array(4).fill(200))
            await asker.askSuspended(1, () => relay.end('lost without a word'))
            return asker.ask(4)
          })
          expect(after.map(shown)).toEqual(Array(4).fill(200))
        },
      )
    })
  })
}
