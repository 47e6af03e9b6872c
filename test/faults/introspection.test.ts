/** Introspection against a server that fails in every way: 503, never a verdict, and never a storm (FX43–FX53). */

import { createGate, type Gate, type IntrospectionEvent, introspection } from '@bearergate/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Introspector, json, type Reply, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE } from '../support/issuer.ts'
import { pass, stoppedClock } from './clock.ts'

const GOOD = { active: true, aud: AUDIENCE, sub: 'emma' }
const SECRET = 'secret-of-the-api'

let server: Introspector
let events: IntrospectionEvent[]

stoppedClock()
beforeAll(async () => {
  server = await startIntrospector(json(GOOD))
})
afterAll(() => server.close())
beforeEach(() => {
  server.reply = json(GOOD)
  server.asked.length = 0
  events = []
  // A start time of 0 would pass for none.
  pass(1)
})

function gateFor(options: object = {}): Gate {
  const verifier = introspection({
    endpoint: server.endpoint,
    clientId: 'api',
    clientSecret: SECRET,
    audience: AUDIENCE,
    timeout: 0.25,
    onIntrospection: (event: IntrospectionEvent) => events.push(event),
    ...options,
  } as never)
  return createGate({ verifier })
}

let count = 0
function newToken(): string {
  count += 1
  return `token-${count}`
}

async function outcome(gate: Gate, token = newToken()): Promise<string> {
  const decision = await gate.authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

const drip: Reply = (_asked, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}

const FAULTS: readonly (readonly [string, Reply])[] = [
  ['FX43 resets the connection', (_asked, response) => response.socket?.destroy()],
  ['FX44 never answers', () => {}],
  ['FX45 sends a byte now and then', drip],
  ['FX46 answers 500', json(GOOD, 500)],
  ['G03 answers 204', (_asked, response) => response.writeHead(204).end()],
  ['G03 answers 400', json({ error: 'invalid_request' }, 400)],
  ['G08 FX47 answers 401 to our credentials', json({ error: 'invalid_client' }, 401)],
  ['G08 answers 403 to our credentials', json({}, 403)],
  [
    'FX49 answers HTML',
    (_asked, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  ],
  ['G03 answers with JSON that says it is text', (_asked, response) => response.end(JSON.stringify(GOOD))],
  ['G03 answers with 300 KiB', json({ ...GOOD, more: 'a'.repeat(300_000) })],
  ['G03 answers with half of it', json(JSON.stringify(GOOD).slice(0, -1))],
  ['G03 answers with a list', json([GOOD])],
]

describe.each(FAULTS)('a server that %s', (_name, fault) => {
  it('is no verdict: 503, not kept, and nobody is told the token or the secret', async () => {
    const gate = gateFor({ cache: { ttl: 60, negativeTtl: 60 } })
    const token = newToken()
    server.reply = fault
    expect(await outcome(gate, token)).toBe('503 unavailable')
    expect(events).toMatchObject([{ type: 'failed' }])
    server.reply = json(GOOD)
    expect(await outcome(gate, token)).toBe('ok')
    expect(events).toMatchObject([{ type: 'failed' }, { type: 'recovered' }])
    const shown =
      JSON.stringify([events, gate.describe()]) +
      events.map((e) => ('cause' in e ? `${e.cause.stack}${e.cause.cause}` : ''))
    expect(shown).not.toContain(token)
    expect(shown).not.toContain(SECRET)
  })
})

it('FX43 refuses connections: 503', async () => {
  const gone = await startIntrospector(json(GOOD))
  await gone.close()
  expect(await outcome(gateFor({ endpoint: gone.endpoint }))).toBe('503 unavailable')
})

it('G10 FX48 is redirected: nothing is sent to the other place', async () => {
  const other = await startIntrospector(json(GOOD))
  for (const status of [301, 302, 303, 307, 308]) {
    server.reply = json({}, status, { location: other.endpoint })
    expect(await outcome(gateFor())).toBe('503 unavailable')
  }
  expect(other.asked).toEqual([])
  await other.close()
})

it.each(['true', 1, 'yes', {}, [true], null, 'false', 0])(
  'G02 FX50 active is %j: refused',
  async (active) => {
    server.reply = json({ ...GOOD, active })
    expect(await outcome(gateFor())).toBe('401 unknown_token')
  },
)

it('G02 G03 there is no active: what answered does not know of introspection, so nobody could tell', async () => {
  server.reply = json({ ...GOOD, active: undefined })
  expect(await outcome(gateFor())).toBe('503 unavailable')
})

it('G08 tells the operator that our own credentials were refused', async () => {
  server.reply = json({ error: 'invalid_client' }, 401)
  await outcome(gateFor())
  expect(events).toMatchObject([{ unauthorized: true, server: server.endpoint }])
})

describe('the circuit', () => {
  it('FX52 opens after five failures, lets one call each 5 s try, and closes with the first success', async () => {
    const gate = gateFor()
    server.reply = json({}, 500)
    for (let call = 0; call < 5; call += 1) expect(await outcome(gate)).toBe('503 unavailable')
    expect(server.asked).toHaveLength(5)
    expect(events.at(-1)).toMatchObject({ circuit: 'open' })
    for (let second = 0; second < 60; second += 1) {
      const all = await Promise.all(Array.from({ length: 20 }, () => outcome(gate)))
      expect(new Set(all)).toEqual(new Set(['503 unavailable']))
      pass(1)
    }
    const trials = server.asked.length - 5
    expect(trials).toBeLessThanOrEqual(12)
    expect(trials).toBeGreaterThanOrEqual(10)
    expect(gate.describe().verifier).toMatchObject({ circuit: 'open' })
    server.reply = json(GOOD)
    pass(6)
    expect(await outcome(gate)).toBe('ok')
    expect(events.at(-1)).toMatchObject({ type: 'recovered' })
    expect(await Promise.all([outcome(gate), outcome(gate)])).toEqual(['ok', 'ok'])
    expect(gate.describe().verifier).toMatchObject({ circuit: 'closed', running: 0, waiting: 0 })
  })

  it('FX52 calls that waited for their turn are not made once it is open', async () => {
    const gate = gateFor({ concurrency: 5 })
    server.reply = json({}, 500)
    const all = await Promise.all(Array.from({ length: 100 }, () => outcome(gate)))
    expect(new Set(all)).toEqual(new Set(['503 unavailable']))
    expect(server.asked.length).toBeLessThanOrEqual(10)
  })

  it('leaves the server alone as long as it asks, a minute at most', async () => {
    const gate = gateFor()
    server.reply = json({}, 429, { 'retry-after': '3600' })
    for (let call = 0; call < 5; call += 1) await outcome(gate)
    server.reply = json(GOOD)
    pass(59)
    expect([await outcome(gate), server.asked.length]).toEqual(['503 unavailable', 5])
    pass(2)
    expect(await outcome(gate)).toBe('ok')
  })

  it('is closed by a 400 as well: the server is there', async () => {
    const gate = gateFor()
    server.reply = json({}, 500)
    for (let call = 0; call < 5; call += 1) await outcome(gate)
    server.reply = (asked, response) =>
      json(asked.form.get('token') === 'odd' ? {} : GOOD, asked.form.get('token') === 'odd' ? 400 : 200)(
        asked,
        response,
      )
    pass(6)
    expect([await outcome(gate, 'odd'), await outcome(gate)]).toEqual(['503 unavailable', 'ok'])
  })

  it('is not opened by what one odd token can provoke', async () => {
    const gate = gateFor()
    for (const odd of [
      json({}, 403),
      json({}, 413),
      json({}, 422),
      json({ error: 'invalid_request' }, 400),
      json({ ...GOOD, active: 'true' }),
      json({ ...GOOD, exp: 'never' }),
    ]) {
      server.reply = odd
      for (let call = 0; call < 10; call += 1) expect(await outcome(gate)).not.toBe('ok')
    }
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
  })
})

describe('the bounds', () => {
  it('ask so many at once, let so many wait, and answer the others 503', async () => {
    const gate = gateFor({ concurrency: 4, queue: 4 })
    let most = 0
    let running = 0
    server.reply = (asked, response) => {
      running += 1
      most = Math.max(most, running)
      setTimeout(() => {
        running -= 1
        json(GOOD)(asked, response)
      }, 10)
    }
    const all = await Promise.all(Array.from({ length: 20 }, () => outcome(gate)))
    expect(all.filter((one) => one === 'ok')).toHaveLength(7)
    expect(most).toBe(3)
    expect(gate.describe().verifier).toMatchObject({ running: 0, waiting: 0 })
  })

  it('count the wait as a part of the deadline', async () => {
    const gate = gateFor({ concurrency: 1, timeout: 0.1 })
    server.reply = () => {}
    expect(await Promise.all([outcome(gate), outcome(gate), outcome(gate)])).toEqual(
      Array(3).fill('503 unavailable'),
    )
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
  })

  it('FX59 close ends what is under way, and asks nobody any more', async () => {
    const gate = gateFor({ timeout: 30 })
    const reached = new Promise<void>((resolve) => {
      server.reply = () => resolve()
    })
    const pending = outcome(gate)
    await reached
    gate.close()
    expect(await pending).toBe('503 unavailable')
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(server.asked).toHaveLength(1)
  })
})

describe('FX53 a token that is revoked while it is cached', () => {
  it('is accepted for the ttl at most', async () => {
    const gate = gateFor({ cache: { ttl: 60 } })
    const token = newToken()
    expect(await outcome(gate, token)).toBe('ok')
    server.reply = json({ active: false })
    pass(59)
    expect(await outcome(gate, token)).toBe('ok')
    pass(2)
    expect(await outcome(gate, token)).toBe('401 unknown_token')
  })

  it('is accepted by nobody from the moment of a local revoke, verifications under way included', async () => {
    const gate = gateFor({ cache: { ttl: 60 }, timeout: 5 })
    const token = newToken()
    expect(await outcome(gate, token)).toBe('ok')
    const other = newToken()
    let answer = () => {}
    const reached = new Promise<void>((resolve) => {
      server.reply = (asked, response) => {
        answer = () => json(GOOD)(asked, response)
        resolve()
      }
    })
    const pending = outcome(gate, other)
    await reached
    void gate.revoke(token)
    void gate.revoke(other)
    expect(await outcome(gate, token)).toBe('401 revoked')
    answer()
    expect(await pending).toBe('401 revoked')
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
  })
})

it('FX52 ready() asks nothing where the endpoint is known, and neither closes the circuit nor reports a recovery', async () => {
  const gate = gateFor()
  server.reply = json({}, 500)
  for (let request = 0; request < 50; request += 1) {
    await gate.ready()
    expect(await outcome(gate)).toBe('503 unavailable')
  }
  expect(server.asked.length).toBe(5)
  expect(events.filter(({ type }) => type === 'recovered')).toEqual([])
})

it('has Node warn of nothing, however many questions are under way', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  const gate = gateFor()
  expect(new Set(await Promise.all(Array.from({ length: 50 }, () => outcome(gate))))).toEqual(new Set(['ok']))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  expect(warnings).toEqual([])
})

describe('an endpoint that was discovered', () => {
  it('is discovered anew where nobody knows of it any more', async () => {
    let path = '/old'
    const asked: string[] = []
    const fetch = async (url: string) => {
      asked.push(new URL(url).pathname)
      if (url.includes('/.well-known/'))
        return Response.json({ issuer: server.origin, introspection_endpoint: server.origin + path })
      return url.endsWith(path) ? Response.json(GOOD) : Response.json({}, { status: 404 })
    }
    const gate = gateFor({ endpoint: undefined, issuer: server.origin, fetch })
    expect(await outcome(gate)).toBe('ok')
    path = '/new'
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(await outcome(gate)).toBe('ok')
    expect(asked.filter((name) => name.startsWith('/.well-known'))).toHaveLength(2)
  })

  it('FX59 is not waited for after close', async () => {
    let aborted: unknown
    let asked = () => {}
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    const fetch = (_url: string, { signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        asked()
        signal?.addEventListener('abort', () => {
          aborted = signal.reason
          reject(signal.reason)
        })
      })
    const gate = gateFor({ endpoint: undefined, issuer: server.origin, fetch, timeout: 60 })
    const waiting = outcome(gate)
    await isAsked
    gate.close()
    expect(await waiting).toBe('503 unavailable')
    expect(String(aborted)).toContain('The gate is closed')
  })
})

describe('a question after a pause', () => {
  const silent: Reply = () => {
    server.reply = json(GOOD)
  }
  const reset: Reply = (_asked, response) => {
    server.reply = json(GOOD)
    response.socket?.destroy()
  }

  it.each([
    ['finds nobody on its connection', silent],
    ['finds its connection reset', reset],
  ])('FX42 of a minute that %s is asked once more', async (_, fault) => {
    let made = 0
    const authenticate = ({ headers }: { headers: Headers }) => {
      made += 1
      headers.set('authorization', `Assertion ${made}`)
    }
    const credentials = { clientId: undefined, clientSecret: undefined, authenticate }
    const gate = gateFor({ timeout: 3, ...credentials })
    expect(await outcome(gate)).toBe('ok')
    pass(60)
    server.reply = fault
    expect(await outcome(gate)).toBe('ok')
    expect(events).toEqual([])
    const assertions = server.asked.map(({ headers }) => headers.authorization)
    expect(assertions).toEqual(['Assertion 1', 'Assertion 2', 'Assertion 3'])
  })

  it('that gets an answer, whichever, is asked once', async () => {
    const gate = gateFor()
    expect(await outcome(gate)).toBe('ok')
    pass(60)
    server.reply = json({}, 500)
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(server.asked).toHaveLength(2)
  })

  it('of less than a minute is asked once', async () => {
    const gate = gateFor({ timeout: 1 })
    expect(await outcome(gate)).toBe('ok')
    pass(59)
    server.reply = silent
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(server.asked).toHaveLength(2)
  })

  it('FX42 is asked until it finds an answer, by as many lost connections as there may be', async () => {
    const gate = gateFor({ timeout: 3 })
    expect(await outcome(gate)).toBe('ok')
    pass(60)
    let lost = 3
    server.reply = (asked, response) => {
      lost -= 1
      if (lost < 0) json(GOOD)(asked, response)
    }
    expect(await outcome(gate)).toBe('ok')
    expect(server.asked).toHaveLength(5)
  })

  it('of a server that takes its time is answered all the same', async () => {
    const gate = gateFor({ timeout: 3 })
    expect(await outcome(gate)).toBe('ok')
    pass(60)
    server.reply = (asked, response) => void setTimeout(() => json(GOOD)(asked, response), 2_200)
    expect(await outcome(gate)).toBe('ok')
    expect(events).toEqual([])
  })

  it('is asked twice where nobody can be reached', async () => {
    const gone = await startIntrospector(json(GOOD))
    const calls: string[] = []
    const fetch = (url: string, init: RequestInit) => {
      calls.push(url)
      return globalThis.fetch(url, init)
    }
    const gate = gateFor({ endpoint: gone.endpoint, fetch, timeout: 3 })
    expect(await outcome(gate)).toBe('ok')
    await gone.close()
    pass(60)
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(calls).toHaveLength(3)
  })

  it('is asked no longer than the timeout', async () => {
    const gate = gateFor()
    expect(await outcome(gate)).toBe('ok')
    pass(60)
    server.reply = () => {}
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(server.asked).toHaveLength(2)
  })
})
