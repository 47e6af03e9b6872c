/**
 * `pnpm crosstalk`: FX51, many introspection calls at once, answered in random order: each caller gets the subject of its
 * own token. `--calls 1000000 --parallel 64 --seed 1`; exit code 1 where one got another's, or none.
 */

import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createGate, introspection } from '@bearergate/core'
import { randomFrom } from '../support/sample.ts'

export interface CrossTalk {
  readonly calls: number
  readonly right: number
  readonly wrong: number
  readonly unanswered: number
}

/** An authorization server that holds questions back and answers them in random order. */
export async function startShuffler(parallel: number, seed: number) {
  const random = randomFrom(seed)
  const held: (() => void)[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  const release = () => {
    timer = undefined
    while (held.length > 0) held.splice(Math.floor(random() * held.length), 1)[0]?.()
  }
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      const token = new URLSearchParams(body).get('token')
      held.push(() => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ active: true, sub: `subject of ${token}`, jti: token }))
      })
      if (held.length >= parallel / 2) release()
      else timer ??= setTimeout(release, 2)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      clearTimeout(timer)
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Asks about so many tokens, so many at once; now and then two callers ask about the same one. */
export async function crossTalk(
  endpoint: string,
  calls: number,
  parallel: number,
  progress = (_done: number) => {},
): Promise<CrossTalk> {
  const verifier = introspection({
    endpoint,
    clientId: 'api',
    clientSecret: 'secret',
    audience: null,
    concurrency: parallel,
    timeout: 30,
  })
  const gate = createGate({ verifier, deadline: 60 })
  const count = { calls, right: 0, wrong: 0, unanswered: 0 }
  let next = 0
  async function caller(): Promise<void> {
    for (let own = next++; own < calls; own = next++) {
      const token = `token-${own % 10 === 9 ? own - 1 : own}`
      const decision = await gate.authenticate({
        header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
      })
      if (!decision.ok) count.unanswered += 1
      else if (decision.identity.subject === `subject of ${token}`) count.right += 1
      else count.wrong += 1
      progress(own + 1)
    }
  }
  await Promise.all(Array.from({ length: parallel }, caller))
  verifier.close?.()
  return count
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      calls: { type: 'string', default: '1000000' },
      parallel: { type: 'string', default: '64' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      serve: { type: 'boolean', default: false },
    },
  })
  const [calls, parallel, seed] = [values.calls, values.parallel, values.seed].map(Number) as [
    number,
    number,
    number,
  ]
  if (values.serve) {
    const { endpoint } = await startShuffler(parallel, seed)
    process.send?.(endpoint)
    process.once('disconnect', () => process.exit())
    return
  }
  const child = fork(fileURLToPath(import.meta.url), ['--serve', `--parallel=${parallel}`, `--seed=${seed}`])
  const endpoint = await new Promise<string>((resolve) =>
    child.once('message', (url) => resolve(String(url))),
  )
  const started = performance.now()
  const count = await crossTalk(endpoint, calls, parallel, (done) => {
    if (done % 50_000 === 0) console.log(`${done} of ${calls}`)
  })
  child.disconnect()
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`seed ${seed}, ${parallel} at once, ${seconds} s:`, count)
  process.exitCode = count.right === calls ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
