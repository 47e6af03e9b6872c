/**
 * What good requests keep of their throughput beside forged key ids: `npx pnpm@12.21.0 flood`. Good ones come 500 a second, for
 * ten seconds alone and for sixty beside 100,000 forged ones, at a service of its own process.
 */

import { Agent, request } from 'node:http'
import { AUDIENCE, createKey } from '../support/issuer.ts'
import { AuthorizationServer } from './authorization-server.ts'
import { Service } from './child.ts'
import { forgedToken, tokenOf } from './client.ts'

const GOOD = 500
const FORGED = 100_000
const SECONDS = 60
const ALONE = 10

const key = await createKey('ES256', 'one')
const server = await AuthorizationServer.start(key)
const issuer = server.origin
const service = await Service.start({ issuer, audience: AUDIENCE, jwksUri: server.jwksUri })
const agents = {
  good: new Agent({ keepAlive: true }),
  forged: new Agent({ keepAlive: true, maxSockets: 64 }),
}

function send(kind: keyof typeof agents, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    request(service.origin, { agent: agents[kind], headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
      .on('error', reject)
      .end()
  })
}

/** Good requests at their rate for so many seconds: how many were answered 200 in a second, and how late. */
async function good(seconds: number): Promise<{ perSecond: number; p50: number; p99: number }> {
  const tokens = await Promise.all(Array.from({ length: 100 }, () => tokenOf(key, issuer)))
  const latencies: number[] = []
  const sent: Promise<void>[] = []
  const start = performance.now()
  const elapsed = () => (performance.now() - start) / 1000
  while (elapsed() < seconds) {
    while (sent.length < elapsed() * GOOD) {
      const begin = performance.now()
      const answered = send('good', tokens[sent.length % tokens.length] ?? '').then((status) => {
        if (status === 200) latencies.push(performance.now() - begin)
      })
      sent.push(answered)
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(sent)
  latencies.sort((a, b) => a - b)
  const at = (part: number) => latencies[Math.floor(latencies.length * part)] ?? 0
  return { perSecond: latencies.length / elapsed(), p50: at(0.5), p99: at(0.99) }
}

async function flood(): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  const sent: Promise<void>[] = []
  const start = performance.now()
  const elapsed = () => (performance.now() - start) / 1000
  while (sent.length < FORGED) {
    const due = Math.min(FORGED, (elapsed() / SECONDS) * FORGED)
    while (sent.length < due) {
      const count = (status: number) => void statuses.set(status, (statuses.get(status) ?? 0) + 1)
      sent.push(send('forged', forgedToken(issuer, `forged-${sent.length}`)).then(count))
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(sent)
  return statuses
}

await good(2)
const alone = await good(ALONE)
const before = server.fetches
const [beside, statuses] = await Promise.all([good(SECONDS), flood()])
const fetches = server.fetches - before
const ratio = beside.perSecond / alone.perSecond
console.log({ alone, beside, ratio: ratio.toFixed(3), forged: Object.fromEntries(statuses), fetches })
await service.close()
for (const agent of Object.values(agents)) agent.destroy()
await server.down()
process.exit(ratio >= 0.9 && fetches <= 4 ? 0 : 1)
