/** Forged tokens in any number, at a real introspection server: good callers are answered 200 (ATK07, ATK16). */

import { createGate, type Gate, type IntrospectionEvent, introspection } from '@bearergate/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { statusOf } from '../support/forge.ts'
import { type Introspector, json, type Reply, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE } from '../support/issuer.ts'

const GOOD = { active: true, aud: AUDIENCE, sub: 'emma' }

stopClock()

let server: Introspector
let events: IntrospectionEvent[]

beforeEach(async () => {
  server = await startIntrospector(json(GOOD))
  events = []
})
afterEach(() => server.close())

function gateFor(options: object = {}): Gate {
  const verifier = introspection({
    endpoint: server.endpoint,
    clientId: 'api',
    clientSecret: 'secret',
    audience: AUDIENCE,
    onIntrospection: (event: IntrospectionEvent) => events.push(event),
    ...options,
  } as never)
  return createGate({ verifier })
}

let count = 0
function fresh(kind: string): string {
  count += 1
  return `${kind}-${count}`
}

const statuses = (gate: Gate, tokens: readonly string[]) =>
  Promise.all(tokens.map((token) => statusOf(gate, token)))
const many = (length: number, kind: string) => Array.from({ length }, () => fresh(kind))

const reset: Reply = (_asked, response) => response.socket?.destroy()

/** A server that cannot cope with forged tokens, and answers every other one. */
function poisonedBy(fault: Reply, isForged = (token: string) => token.startsWith('forged')): Reply {
  return (asked, response) => (isForged(asked.form.get('token') ?? '') ? fault : json(GOOD))(asked, response)
}

/** What the server was asked about other tokens than those of the clients. */
const probes = () =>
  server.asked.filter(({ form }) => !/^(?:good|forged|known)-/.test(form.get('token') ?? ''))

const POISONS: readonly (readonly [string, Reply])[] = [
  ['answers 500', json({}, 500)],
  ['resets the connection', reset],
  ['answers 503 with Retry-After: 3600', json({}, 503, { 'retry-after': '3600' })],
  ['answers 429 with Retry-After: 3600', json({}, 429, { 'retry-after': '3600' })],
  ['answers 401', json({}, 401)],
  ['redirects', json({}, 302, { location: 'https://id.example.com/login' })],
  ['answers HTML', (_asked, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')],
]

describe.each(POISONS)('forged tokens to which the server %s', (_, fault) => {
  it('leave good requests answered 200: six each 5 s, and a known token each second (ATK07)', async () => {
    const gate = gateFor()
    server.reply = poisonedBy(fault)
    const known = fresh('known')
    const good: number[] = [await statusOf(gate, known)]
    for (let second = 0; second < 30; second += 1) {
      if (second % 5 === 0) expect(await statuses(gate, many(6, 'forged'))).toEqual(Array(6).fill(503))
      good.push(await statusOf(gate, known))
      pass(1)
    }
    expect(good).toEqual(Array(31).fill(200))
  })

  it.each([1, 6, 12])(
    'leave good requests answered 200: six each second, and a new token each %i s (ATK07)',
    async (interval) => {
      const gate = gateFor()
      server.reply = poisonedBy(fault)
      const good: number[] = []
      for (let second = 0; second < 24; second += 1) {
        await statuses(gate, many(6, 'forged'))
        if (second % interval === 0) good.push(await statusOf(gate, fresh('good')))
        pass(1)
      }
      expect(good).toEqual(Array(24 / interval).fill(200))
    },
  )

  it('leave a known token answered 200 after any pause, though the server fails for every unknown one (ATK07)', async () => {
    const gate = gateFor()
    const known = many(3, 'known')
    await statuses(gate, known)
    server.reply = poisonedBy(fault, (token) => !token.startsWith('known'))
    for (const pause of [5, 15, 65]) {
      for (let passed = 0; passed < pause; passed += 5) {
        await statuses(gate, many(6, 'forged'))
        pass(5)
      }
      expect(await statuses(gate, known)).toEqual([200, 200, 200])
    }
  })

  it('leave good requests answered 200 that arrive at the same moment (ATK07)', async () => {
    const gate = gateFor()
    server.reply = poisonedBy(fault)
    for (let round = 0; round < 3; round += 1) {
      const forged = statuses(gate, many(6, 'forged'))
      const good = statuses(gate, many(2, 'good'))
      expect([await forged, await good]).toEqual([Array(6).fill(503), [200, 200]])
      pass(11)
    }
  })
})

describe('an outage of the server', () => {
  /** With how many requests a trial makes: one that is closed without an answer is sent once more. */
  const faults: readonly (readonly [string, Reply, number])[] = [
    ['answers 500', json({}, 500), 1],
    ['resets the connection', reset, 2],
  ]

  it.each(faults)(
    'that %s opens the circuit of each lane, with one trial each 5 s, and closes both at the first success (FX52)',
    async (_, fault, requests) => {
      const gate = gateFor()
      const known = many(8, 'known')
      await statuses(gate, known)
      server.reply = fault
      pass(10)
      for (const token of [...known, ...many(8, 'forged')]) expect(await statusOf(gate, token)).toBe(503)
      expect(gate.describe().verifier).toMatchObject({ circuits: { known: 'open', unknown: 'open' } })
      expect(events.at(-1)).toMatchObject({ type: 'failed', circuit: 'open', retryAfter: 5 })
      server.asked.length = 0
      for (let second = 0; second < 60; second += 1) {
        pass(1)
        const all = await statuses(gate, [...known, ...many(8, 'forged')])
        expect(all).toEqual(Array(16).fill(503))
      }
      expect(server.asked).toHaveLength(24 * requests)
      server.reply = json(GOOD)
      pass(5)
      expect(await statuses(gate, ['known-first'])).toEqual([200])
      expect(gate.describe().verifier).toMatchObject({ circuits: { known: 'closed', unknown: 'closed' } })
      expect(events.at(-1)).toMatchObject({ type: 'recovered' })
      expect(await statuses(gate, [...known, ...many(8, 'good')])).toEqual(Array(16).fill(200))
    },
  )

  it('an outage ends for new tokens within two trials, although forged tokens win every turn of the callers (ATK07)', async () => {
    const gate = gateFor()
    server.reply = json({}, 500)
    await statuses(gate, many(8, 'forged'))
    await statusOf(gate, fresh('forged'))
    expect(gate.describe().verifier).toMatchObject({ circuit: 'open' })
    server.reply = poisonedBy(json({}, 500))
    for (let trial = 0; trial < 2; trial += 1) {
      pass(5)
      await statuses(gate, many(20, 'forged'))
    }
    expect(await statusOf(gate, fresh('good'))).toBe(200)
  })

  it('asks about random tokens as a probe, each another one, and never in the events', async () => {
    const gate = gateFor()
    server.reply = json({}, 500)
    for (let second = 0; second < 30; second += 1) {
      await statusOf(gate, fresh('forged'))
      pass(1)
    }
    const tokens = probes().map(({ form }) => form.get('token') ?? '')
    expect(tokens.length).toBeGreaterThan(1)
    expect(new Set(tokens).size).toBe(tokens.length)
    for (const token of tokens) expect(JSON.stringify([events, gate.describe()])).not.toContain(token)
  })

  it('the circuit stays closed if the function that authenticates this API fails', async () => {
    let isDown = false
    const authenticate = () => {
      if (isDown) throw new Error('no key')
    }
    const gate = gateFor({ clientId: undefined, clientSecret: undefined, authenticate })
    isDown = true
    expect(await statuses(gate, many(20, 'good'))).toEqual(Array(20).fill(503))
    isDown = false
    expect(await statusOf(gate, fresh('good'))).toBe(200)
    expect(probes()).toEqual([])
  })
})

describe('a flood of garbage tokens at a slow server', () => {
  it('leaves known tokens answered 200: 1,500 a second, each answered after 100 ms (ATK16)', async () => {
    const gate = gateFor()
    const known = many(10, 'known')
    await statuses(gate, known)
    let held: (() => void)[] = []
    server.reply = (asked, response) => {
      const isKnown = asked.form.get('token')?.startsWith('known')
      held.push(() => json(isKnown ? GOOD : { active: false })(asked, response))
    }
    const garbage: Promise<number>[] = []
    const good: number[] = []
    const running = () => (gate.describe().verifier as { running: number }).running
    for (let tenth = 0; tenth < 20; tenth += 1) {
      garbage.push(...many(150, 'forged').map((token) => statusOf(gate, token)))
      const answers = statuses(gate, known)
      await eventually(() => held.length > 0 && held.length === running())
      pass(0.1)
      const due = held
      held = []
      for (const answer of due) answer()
      good.push(...(await answers))
    }
    expect(good).toEqual(Array(200).fill(200))
    pass(3)
    await Promise.all(garbage)
  })

  it('leaves known tokens answered 200 while the server never answers the others (ATK16)', async () => {
    const gate = gateFor({ concurrency: 4, queue: 8 })
    const known = many(2, 'known')
    await statuses(gate, known)
    server.asked.length = 0
    server.reply = (asked, response) => {
      if (asked.form.get('token')?.startsWith('known')) json(GOOD)(asked, response)
    }
    const forged = statuses(gate, many(100, 'forged'))
    for (let round = 0; round < 5; round += 1) expect(await statuses(gate, known)).toEqual([200, 200])
    expect(gate.describe().verifier).toMatchObject({ running: 3 })
    pass(3)
    expect(await forged).toEqual(Array(100).fill(503))
    expect(gate.describe().verifier).toMatchObject({ running: 0, waiting: 0 })
  })

  it('gives a known token the place of the newest unknown one in a full queue (ATK16)', async () => {
    const gate = gateFor({ concurrency: 1, queue: 1 })
    const known = fresh('known')
    await statusOf(gate, known)
    let answer = () => {}
    server.reply = (asked, response) => {
      server.reply = json(GOOD)
      answer = () => json(GOOD)(asked, response)
    }
    const first = statusOf(gate, fresh('good'))
    await eventually(() => server.asked.length === 2)
    const second = statusOf(gate, fresh('good'))
    const third = statusOf(gate, known)
    expect(await second).toBe(503)
    answer()
    expect([await first, await third]).toEqual([200, 200])
  })
})

it('a token that is inactive by now is unknown again (ATK16)', async () => {
  const gate = gateFor({ concurrency: 2, queue: 0 })
  const token = fresh('known')
  expect(await statusOf(gate, token)).toBe(200)
  server.reply = json({ active: false })
  expect(await statusOf(gate, token)).toBe(401)
  server.reply = () => {}
  server.asked.length = 0
  const forged = statusOf(gate, fresh('forged'))
  await eventually(() => server.asked.length === 1)
  expect(await statusOf(gate, token)).toBe(503)
  pass(3)
  expect(await forged).toBe(503)
})

describe('forged tokens that reset the connection to a discovered endpoint', () => {
  it.each([
    ['fails', (): Promise<Response> => Promise.reject(new Error('down'))],
    ['never answers', (): Promise<Response> => new Promise(() => {})],
  ])('leave good tokens answered 200 while the metadata document %s (ATK07)', async (_, metadata) => {
    let isUp = true
    let reads = 0
    const fetch = (url: string, init: RequestInit) => {
      if (!url.includes('/.well-known/')) return globalThis.fetch(url, init)
      reads += 1
      if (!isUp) return metadata()
      return Promise.resolve(
        Response.json({ issuer: server.origin, introspection_endpoint: server.endpoint }),
      )
    }
    const gate = gateFor({ endpoint: undefined, issuer: server.origin, fetch })
    const known = fresh('known')
    expect(await statusOf(gate, known)).toBe(200)
    isUp = false
    server.reply = poisonedBy(reset)
    reads = 0
    let isAnswered = false
    const forged = statusOf(gate, fresh('forged'))
    void forged.then(() => {
      isAnswered = true
    })
    await eventually(() => reads > 0 || isAnswered)
    for (let request = 0; request < 5; request += 1)
      expect(await statuses(gate, [known, fresh('good')])).toEqual([200, 200])
    pass(3)
    expect(await forged).toBe(503)
    expect(await statuses(gate, [known, fresh('good')])).toEqual([200, 200])
  })
})
