/** Introspection while the authorization server fails in every way: answers 503, never a verdict, never a storm (FX43–FX53). */

import { createGate, type Gate, type IntrospectionEvent, introspection } from '@bearergate/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, pendingDeadlines, stopClock, time } from '../support/clock.ts'
import { type Introspector, json, type Reply, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE } from '../support/issuer.ts'
import { isPending } from '../support/pending.ts'

const GOOD = { active: true, aud: AUDIENCE, sub: 'emma' }
const SECRET = 'secret-of-the-api'
/** The default of `timeout`, in seconds. */
const TIMEOUT = 3
const UNAVAILABLE = '503 unavailable'

let server: Introspector
let events: IntrospectionEvent[]

stopClock()
beforeEach(async () => {
  // One for each test: what a test has sent last may reach the server after it.
  server = await startIntrospector(json(GOOD))
  events = []
})
afterEach(() => server.close())

function gateFor(options: object = {}): Gate {
  // The events of this test: a call that it leaves pending fails after it.
  const heard = events
  const verifier = introspection({
    endpoint: server.endpoint,
    clientId: 'api',
    clientSecret: SECRET,
    audience: AUDIENCE,
    onIntrospection: (event: IntrospectionEvent) => heard.push(event),
    ...options,
  } as never)
  // A gate closes only a verifier that it made itself.
  return { ...createGate({ verifier }), close: () => verifier.close?.() }
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

/** Waits until the server has received this many requests. */
const asked = (times: number) => eventually(() => server.asked.length >= times)

/** Keeps the answers back. Each call of the returned function gives the oldest one that is due. */
function hold(reply: Reply = json(GOOD)): { readonly held: number; release(): void } {
  const held: (() => void)[] = []
  server.reply = (request, response) => void held.push(() => reply(request, response))
  return {
    get held() {
      return held.length
    },
    release: () => held.shift()?.(),
  }
}

const drip: Reply = (_asked, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}

const FAULTS: readonly (readonly [name: string, fault: Reply])[] = [
  ['answers 500 (FX46)', json(GOOD, 500)],
  ['answers 204 (G03)', (_asked, response) => response.writeHead(204).end()],
  ['answers 400 (G03)', json({ error: 'invalid_request' }, 400)],
  ['answers 401 to our credentials (FX47, G08)', json({ error: 'invalid_client' }, 401)],
  ['answers 403 to our credentials (G08)', json({}, 403)],
  [
    'answers with HTML (FX49)',
    (_asked, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  ],
  ['sends JSON without its content type (G03)', (_asked, response) => response.end(JSON.stringify(GOOD))],
  ['answers with 300 KiB (G03)', json({ ...GOOD, more: 'a'.repeat(300_000) })],
  ['answers with truncated JSON (G03)', json(JSON.stringify(GOOD).slice(0, -1))],
  ['answers with an array (G03)', json([GOOD])],
]
/** These end with the timeout only. */
const STALLS: readonly (readonly [name: string, fault: Reply])[] = [
  ['never answers (FX44)', () => {}],
  ['sends one byte now and then (FX45)', drip],
]

/** Checks that the failure is not cached, that the recovery is reported, and that no secret is shown. */
async function recovers(gate: Gate, token: string): Promise<void> {
  expect(events).toMatchObject([{ type: 'failed' }])
  server.reply = json(GOOD)
  expect(await outcome(gate, token)).toBe('ok')
  expect(events).toMatchObject([{ type: 'failed' }, { type: 'recovered' }])
  const shown =
    JSON.stringify([events, gate.describe()]) +
    events.map((e) => ('cause' in e ? `${e.cause.stack}${e.cause.cause}` : ''))
  expect(shown).not.toContain(token)
  expect(shown).not.toContain(SECRET)
}

describe('answers 503 without caching it or showing a secret', () => {
  it.each(FAULTS)('if the server %s', async (_, fault) => {
    const gate = gateFor({ cache: { ttl: 60, negativeTtl: 60 } })
    const token = newToken()
    server.reply = fault
    expect(await outcome(gate, token)).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(1)
    await recovers(gate, token)
  })

  it('if the server resets the connection, also when it is asked once more (FX43, FIELD02)', async () => {
    const gate = gateFor({ cache: { ttl: 60, negativeTtl: 60 } })
    const token = newToken()
    server.reply = (_asked, response) => response.socket?.destroy()
    expect(await outcome(gate, token)).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(2)
    await recovers(gate, token)
  })

  it.each(STALLS)('after the timeout of 3 s if the server %s', async (_, fault) => {
    const gate = gateFor({ cache: { ttl: 60, negativeTtl: 60 } })
    const token = newToken()
    server.reply = fault
    const pending = outcome(gate, token)
    await asked(1)
    pass(TIMEOUT - 0.25)
    expect(await isPending(pending)).toBe(true)
    pass(0.25)
    expect(await pending).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(1)
    await recovers(gate, token)
  })

  it('if the server refuses connections (FX43)', async () => {
    const gone = await startIntrospector(json(GOOD))
    await gone.close()
    expect(await outcome(gateFor({ endpoint: gone.endpoint }))).toBe(UNAVAILABLE)
  })
})

it('answers 503 to a redirect and sends nothing to its target (FX48, G10)', async () => {
  const other = await startIntrospector(json(GOOD))
  for (const status of [301, 302, 303, 307, 308]) {
    server.reply = json({}, status, { location: other.endpoint })
    expect(await outcome(gateFor())).toBe(UNAVAILABLE)
  }
  expect(other.asked).toEqual([])
  await other.close()
})

it.each(['true', 1, 'yes', {}, [true], null, 'false', 0])(
  'answers 401 if "active" is %j (FX50, G02)',
  async (active) => {
    server.reply = json({ ...GOOD, active })
    expect(await outcome(gateFor())).toBe('401 unknown_token')
  },
)

it('answers 503 if "active" is missing, because the server does not support introspection (G02, G03)', async () => {
  server.reply = json({ ...GOOD, active: undefined })
  expect(await outcome(gateFor())).toBe(UNAVAILABLE)
})

it('reports to the operator that the server rejected the credentials of this API (G08)', async () => {
  server.reply = json({ error: 'invalid_client' }, 401)
  await outcome(gateFor())
  expect(events).toMatchObject([{ unauthorized: true, server: server.endpoint }])
})

describe('the circuit breaker', () => {
  it('opens after five failures, allows one trial call per 5 s, and closes at the first success (FX52)', async () => {
    const gate = gateFor()
    const askedAt: number[] = []
    server.reply = (request, response) => {
      askedAt.push(time())
      return json({}, 500)(request, response)
    }
    for (let call = 1; call <= 5; call += 1) {
      expect(gate.describe().verifier).toMatchObject({ circuit: 'closed' })
      expect(await outcome(gate)).toBe(UNAVAILABLE)
      expect(events.at(-1)).toMatchObject({
        circuit: call === 5 ? 'open' : 'closed',
        retryAfter: call === 5 ? 5 : 0,
      })
    }
    for (let quarter = 0; quarter < 4 * 60; quarter += 1) {
      const all = await Promise.all(Array.from({ length: 5 }, () => outcome(gate)))
      expect(new Set(all)).toEqual(new Set([UNAVAILABLE]))
      pass(0.25)
    }
    expect(askedAt).toEqual([0, 0, 0, 0, 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55])
    expect(gate.describe().verifier).toMatchObject({ circuit: 'open' })
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
    expect(events.at(-1)).toMatchObject({ type: 'recovered' })
    expect(await Promise.all([outcome(gate), outcome(gate)])).toEqual(['ok', 'ok'])
    expect(gate.describe().verifier).toMatchObject({ circuit: 'closed', running: 0, waiting: 0 })
  })

  it('answers 503 at once while the trial call is pending, and tries again 5 s later if it hangs (FX52)', async () => {
    const gate = gateFor({ timeout: 60 })
    server.reply = json({}, 500)
    for (let call = 0; call < 5; call += 1) await outcome(gate)
    pass(5)
    server.reply = () => {}
    void outcome(gate)
    await asked(6)
    pass(4.75)
    expect(await outcome(gate)).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(6)
    pass(0.25)
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
    // Every other trial is a probe, which the caller's own token follows.
    expect(server.asked).toHaveLength(8)
  })

  it('rejects queued calls with 503 once it is open, without asking the server (FX52)', async () => {
    // Unknown tokens may use five of the seven.
    const gate = gateFor({ concurrency: 7 })
    const calls = hold(json({}, 500))
    const all = Promise.all(Array.from({ length: 100 }, () => outcome(gate)))
    for (let failures = 1; failures <= 4; failures += 1) {
      await eventually(() => calls.held === 5)
      calls.release()
      await eventually(() => events.length === failures)
    }
    // The fourth failure made room for a probe, which decides about all those that wait.
    await asked(9)
    expect(gate.describe().verifier).toMatchObject({ circuit: 'half-open' })
    for (let call = 0; call < 5; call += 1) {
      await eventually(() => calls.held > 0)
      calls.release()
    }
    expect(new Set(await all)).toEqual(new Set([UNAVAILABLE]))
    expect(gate.describe().verifier).toMatchObject({ running: 0, waiting: 0, circuit: 'open' })
    expect(server.asked).toHaveLength(9)
  })

  it('does not ask again before Retry-After has passed, capped at 60 s', async () => {
    const gate = gateFor()
    server.reply = json({}, 429, { 'retry-after': '3600' })
    for (let call = 0; call < 5; call += 1) await outcome(gate)
    expect(events.at(-1)).toMatchObject({ circuit: 'open', retryAfter: 60, cause: { retryAfter: 60 } })
    server.reply = json(GOOD)
    pass(59.75)
    expect([await outcome(gate), server.asked.length]).toEqual([UNAVAILABLE, 5])
    pass(0.25)
    expect(await outcome(gate)).toBe('ok')
  })

  it('closes at a 400 too, because the server is up', async () => {
    const gate = gateFor()
    server.reply = json({}, 500)
    for (let call = 0; call < 5; call += 1) await outcome(gate)
    server.reply = (request, response) => {
      const isOdd = request.form.get('token') === 'odd'
      return json(isOdd ? {} : GOOD, isOdd ? 400 : 200)(request, response)
    }
    pass(5)
    expect([await outcome(gate, 'odd'), await outcome(gate)]).toEqual([UNAVAILABLE, 'ok'])
  })

  it.each<[string, string, Reply]>([
    [UNAVAILABLE, 'status 403', json({}, 403)],
    [UNAVAILABLE, 'status 413', json({}, 413)],
    [UNAVAILABLE, 'status 422', json({}, 422)],
    [UNAVAILABLE, 'status 400', json({ error: 'invalid_request' }, 400)],
    ['401 unknown_token', '"active" of a wrong type', json({ ...GOOD, active: 'true' })],
    ['401 invalid_claim', '"exp" of a wrong type', json({ ...GOOD, exp: 'never' })],
  ])('stays closed and answers %s if one token provokes an answer with %s', async (expected, _, odd) => {
    const gate = gateFor()
    server.reply = odd
    for (let call = 0; call < 10; call += 1) expect(await outcome(gate)).toBe(expected)
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
    expect(server.asked).toHaveLength(11)
  })
})

describe('the limits', () => {
  it('run "concurrency" calls at once, queue "queue" more and answer 503 to the rest', async () => {
    const gate = gateFor({ concurrency: 4, queue: 4 })
    const calls = hold()
    const outcomes: string[] = []
    const all = Promise.all(Array.from({ length: 20 }, async () => outcomes.push(await outcome(gate))))
    await eventually(() => calls.held === 3)
    await eventually(() => outcomes.length === 13)
    expect(new Set(outcomes)).toEqual(new Set([UNAVAILABLE]))
    expect(gate.describe().verifier).toMatchObject({ running: 3, waiting: 4 })
    for (let answered = 1; answered <= 7; answered += 1) {
      calls.release()
      await eventually(() => outcomes.length === 13 + answered)
      await asked(Math.min(3 + answered, 7))
      expect(gate.describe().verifier).toMatchObject({
        running: Math.min(3, 7 - answered),
        waiting: Math.max(0, 4 - answered),
      })
    }
    await all
    expect(outcomes.slice(13)).toEqual(Array(7).fill('ok'))
    expect(server.asked).toHaveLength(7)
  })

  it('include the time in the queue in the timeout', async () => {
    const gate = gateFor({ concurrency: 1 })
    server.reply = () => {}
    const all = Promise.all([outcome(gate), outcome(gate), outcome(gate)])
    await asked(1)
    expect(gate.describe().verifier).toMatchObject({ running: 1, waiting: 2 })
    pass(TIMEOUT)
    expect(await all).toEqual(Array(3).fill(UNAVAILABLE))
    expect(server.asked).toHaveLength(1)
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
  })

  it('close() aborts pending calls, and answers 503 to later ones without asking (FX59)', async () => {
    const gate = gateFor()
    server.reply = () => {}
    const pending = outcome(gate)
    await asked(1)
    gate.close()
    expect(await pending).toBe(UNAVAILABLE)
    expect(await outcome(gate)).toBe(UNAVAILABLE)
    expect([server.asked.length, time()]).toEqual([1, 0])
  })
})

describe('a token that is revoked while it is cached', () => {
  it('is accepted until its cache entry expires after "ttl" (FX53)', async () => {
    const gate = gateFor({ cache: { ttl: 60 } })
    const token = newToken()
    expect(await outcome(gate, token)).toBe('ok')
    server.reply = json({ active: false })
    pass(59.75)
    expect(await outcome(gate, token)).toBe('ok')
    pass(0.25)
    expect(await outcome(gate, token)).toBe('401 unknown_token')
  })

  it('expires "ttl" after the question, not after the answer (FX53)', async () => {
    const gate = gateFor({ cache: { ttl: 60 } })
    const token = newToken()
    const calls = hold()
    const pending = outcome(gate, token)
    await eventually(() => calls.held === 1)
    pass(2)
    calls.release()
    expect(await pending).toBe('ok')
    server.reply = json({ active: false })
    pass(57.75)
    expect(await outcome(gate, token)).toBe('ok')
    pass(0.25)
    expect(await outcome(gate, token)).toBe('401 unknown_token')
  })

  it('is rejected from the moment of gate.revoke(), pending verifications included (FX53)', async () => {
    const gate = gateFor({ cache: { ttl: 60 } })
    const token = newToken()
    expect(await outcome(gate, token)).toBe('ok')
    const other = newToken()
    const calls = hold()
    const pending = outcome(gate, other)
    await eventually(() => calls.held === 1)
    void gate.revoke(token)
    void gate.revoke(other)
    expect(await outcome(gate, token)).toBe('401 revoked')
    calls.release()
    expect(await pending).toBe('401 revoked')
    server.reply = json(GOOD)
    expect(await outcome(gate)).toBe('ok')
  })
})

it('ready() asks nothing if the endpoint is known, and does not close the circuit (FX52)', async () => {
  const gate = gateFor()
  server.reply = json({}, 500)
  for (let request = 0; request < 50; request += 1) {
    await gate.ready()
    expect(await outcome(gate)).toBe(UNAVAILABLE)
  }
  expect(server.asked).toHaveLength(5)
  expect(events.filter(({ type }) => type === 'recovered')).toEqual([])
})

it('causes no warning of Node with 50 calls at once', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  const gate = gateFor()
  expect(new Set(await Promise.all(Array.from({ length: 50 }, () => outcome(gate))))).toEqual(new Set(['ok']))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  expect(warnings).toEqual([])
})

describe('a discovered endpoint', () => {
  const METADATA = '/.well-known/oauth-authorization-server'

  it('is discovered again after it answered 404', async () => {
    let path = '/old'
    const paths: string[] = []
    const fetch = async (url: string) => {
      paths.push(new URL(url).pathname)
      if (url.includes('/.well-known/'))
        return Response.json({ issuer: server.origin, introspection_endpoint: server.origin + path })
      return url.endsWith(path) ? Response.json(GOOD) : Response.json({}, { status: 404 })
    }
    const gate = gateFor({ endpoint: undefined, issuer: server.origin, fetch })
    expect(await outcome(gate)).toBe('ok')
    path = '/new'
    expect(await outcome(gate)).toBe(UNAVAILABLE)
    expect(await outcome(gate)).toBe('ok')
    expect(paths).toEqual([METADATA, '/old', '/old', METADATA, '/new'])
  })

  describe('after many failures', () => {
    let path: string
    let isGone: boolean
    /** When the metadata was fetched. */
    let moments: number[]
    beforeEach(() => {
      path = '/old'
      isGone = false
      moments = []
    })

    /** The server moves if `path` changes. It answers 404 at other paths, to forged tokens, and if the endpoint is gone. */
    const fetch = async (url: string, { body }: RequestInit): Promise<Response> => {
      if (url.includes('/.well-known/')) {
        moments.push(time())
        return Response.json({ issuer: server.origin, introspection_endpoint: server.origin + path })
      }
      const isForged = (body as URLSearchParams).get('token')?.startsWith('forged')
      const isMissing = isGone || isForged || !url.endsWith(path)
      return isMissing ? Response.json({}, { status: 404 }) : Response.json(GOOD)
    }
    const discoveringGate = () => gateFor({ endpoint: undefined, issuer: server.origin, fetch })

    it('is discovered twice at once and once more per 30 s for unknown tokens that are answered 404 (FX52)', async () => {
      const gate = discoveringGate()
      expect(await outcome(gate)).toBe('ok')
      moments.length = 0
      for (let second = 0; second < 60; second += 1) {
        for (const forged of ['forged-a', 'forged-b', 'forged-c'])
          expect(await outcome(gate, forged + second)).toBe(UNAVAILABLE)
        pass(1)
      }
      expect(moments).toEqual([0, 0, 30])
    })

    it('is found again at once by a known token, although unknown ones used up their discoveries (FX52)', async () => {
      const gate = discoveringGate()
      expect(await outcome(gate, 'known')).toBe('ok')
      for (let token = 0; token < 10; token += 1) await outcome(gate, `forged-${token}`)
      path = '/new'
      expect(await outcome(gate, newToken())).toBe(UNAVAILABLE)
      expect(await outcome(gate, 'known')).toBe(UNAVAILABLE)
      expect([await outcome(gate, 'known'), await outcome(gate)]).toEqual(['ok', 'ok'])
    })

    it('is discovered twice at once and once more per 5 s for known tokens, until one of them finds it (FX52)', async () => {
      const gate = discoveringGate()
      expect(await outcome(gate, 'known')).toBe('ok')
      pass(10)
      moments.length = 0
      isGone = true
      for (let second = 10; second < 20; second += 1) {
        for (let request = 0; request < 3; request += 1)
          expect(await outcome(gate, 'known')).toBe(UNAVAILABLE)
        pass(1)
      }
      expect(moments).toEqual([10, 10, 15])
      isGone = false
      path = '/new'
      expect([await outcome(gate, 'known'), await outcome(gate, 'known')]).toEqual([UNAVAILABLE, 'ok'])
    })

    it('is not discovered for each request while the issuer has no metadata: twice at once, then once per 5 s (FX52)', async () => {
      const { origin } = server
      let isUp = false
      const cold = async (url: string, init: RequestInit) => {
        if (isUp) return fetch(url, init)
        if (url.endsWith('/oauth-authorization-server')) moments.push(time())
        return Response.json({}, { status: 404 })
      }
      const gate = gateFor({ endpoint: undefined, issuer: origin, fetch: cold })
      for (let second = 0; second < 12; second += 1) {
        for (let request = 0; request < 20; request += 1)
          expect(await outcome(gate, 'same')).toBe(UNAVAILABLE)
        pass(1)
      }
      expect(moments).toEqual([0, 0, 5, 10])
      const decision = await gate.authenticate({ header: () => 'Bearer same' })
      expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '3' } })
      isUp = true
      expect(await outcome(gate, 'same')).toBe(UNAVAILABLE)
      pass(3)
      expect(await outcome(gate, 'same')).toBe('ok')
    })
  })

  it('is not awaited after close() (FX59)', async () => {
    let aborted: unknown
    let isFetching = false
    const fetch = (_url: string, { signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        isFetching = true
        signal?.addEventListener('abort', () => {
          aborted = signal.reason
          reject(signal.reason)
        })
      })
    const gate = gateFor({ endpoint: undefined, issuer: server.origin, fetch })
    const waiting = outcome(gate)
    await eventually(() => isFetching)
    gate.close()
    expect(await waiting).toBe(UNAVAILABLE)
    expect(String(aborted)).toContain('The gate is closed')
  })
})

describe('a question after a pause', () => {
  const reset: Reply = (_asked, response) => {
    server.reply = json(GOOD)
    response.socket?.destroy()
  }
  const silent: Reply = () => {}

  /** How many questions were begun, whether or not the server has received them. */
  let made: number
  beforeEach(() => {
    made = 0
  })
  const authenticate = ({ headers }: { headers: Headers }) => {
    made += 1
    headers.set('authorization', `Assertion ${made}`)
  }
  const assertions = () => server.asked.map(({ headers }) => headers.authorization)

  /** A gate that has asked once, 60 s ago. */
  async function gateAfterPause(options: object = {}, seconds = 60): Promise<Gate> {
    const gate = gateFor({ clientId: undefined, clientSecret: undefined, authenticate, ...options })
    expect(await outcome(gate)).toBe('ok')
    pass(seconds)
    return gate
  }

  it('after a pause of 60 s, a request without an answer for 0.5 s is sent again on another connection (FX42)', async () => {
    const gate = await gateAfterPause()
    let isClosed = false
    server.reply = (_asked, response) => {
      response.once('close', () => {
        isClosed = true
      })
    }
    const pending = outcome(gate)
    await asked(2)
    server.reply = json(GOOD)
    pass(0.25)
    expect(await isPending(pending)).toBe(true)
    expect([made, pendingDeadlines()[0]]).toEqual([2, 0.25])
    pass(0.25)
    expect(await pending).toBe('ok')
    expect(events).toEqual([])
    expect(assertions()).toEqual(['Assertion 1', 'Assertion 2', 'Assertion 3'])
    // The other connection is given up as soon as there is an answer.
    await eventually(() => isClosed)
  })

  it('after a pause of 60 s, a request is sent again at once if its connection was reset (FX42)', async () => {
    const gate = await gateAfterPause()
    server.reply = reset
    expect(await outcome(gate)).toBe('ok')
    expect([events, time()]).toEqual([[], 60])
    expect(assertions()).toEqual(['Assertion 1', 'Assertion 2', 'Assertion 3'])
  })

  it('a request after a pause is sent only once if any answer comes', async () => {
    const gate = await gateAfterPause()
    server.reply = json({}, 500)
    expect(await outcome(gate)).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(2)
  })

  it('after a pause of less than 60 s, a request is sent only once', async () => {
    const gate = await gateAfterPause({}, 59.75)
    server.reply = silent
    const pending = outcome(gate)
    await asked(2)
    for (let half = 0; half < 2 * TIMEOUT; half += 1) {
      expect(await isPending(pending)).toBe(true)
      expect(made).toBe(2)
      pass(0.5)
    }
    expect(await pending).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(2)
  })

  it('a request after a pause is sent again every 0.5 s, on up to four connections, until an answer comes (FX42)', async () => {
    const gate = await gateAfterPause()
    server.reply = silent
    const pending = outcome(gate)
    for (const times of [2, 3, 4]) {
      await asked(times)
      expect(await isPending(pending)).toBe(true)
      if (times === 4) server.reply = json(GOOD)
      pass(0.5)
    }
    expect(await pending).toBe('ok')
    expect(server.asked).toHaveLength(5)
  })

  it('a request after a pause uses at most four connections, and is answered 503 after the timeout', async () => {
    const gate = await gateAfterPause()
    server.reply = silent
    const pending = outcome(gate)
    for (const times of [2, 3, 4, 5]) {
      await asked(times)
      pass(0.5)
    }
    expect(await isPending(pending)).toBe(true)
    expect([made, pendingDeadlines()[0]]).toEqual([5, TIMEOUT - 2])
    pass(TIMEOUT - 2)
    expect(await pending).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(5)
  })

  it('is hedged for 10 s after the pause, because several connections may be dead (FX42)', async () => {
    const gate = await gateAfterPause()
    expect(await outcome(gate)).toBe('ok')
    pass(9.75)
    server.reply = silent
    const hedged = outcome(gate)
    await asked(3)
    server.reply = json(GOOD)
    pass(0.5)
    expect(await hedged).toBe('ok')
    expect(server.asked).toHaveLength(4)
    server.reply = silent
    const single = outcome(gate)
    await asked(5)
    for (let half = 0; half < 2 * TIMEOUT; half += 1) {
      expect(await isPending(single)).toBe(true)
      expect(made).toBe(5)
      pass(0.5)
    }
    expect(await single).toBe(UNAVAILABLE)
    expect(server.asked).toHaveLength(5)
  })

  it('accepts the answer of the first connection if it comes late', async () => {
    const gate = await gateAfterPause()
    const calls = hold()
    const pending = outcome(gate)
    for (const held of [1, 2, 3, 4]) {
      await eventually(() => calls.held === held)
      pass(0.5)
    }
    calls.release()
    expect(await pending).toBe('ok')
    expect(events).toEqual([])
  })

  it('a request after a pause is sent twice and answered 503 if the server refuses connections', async () => {
    const gone = await startIntrospector(json(GOOD))
    const calls: string[] = []
    const fetch = (url: string, init: RequestInit) => {
      calls.push(url)
      return globalThis.fetch(url, init)
    }
    const gate = await gateAfterPause({ endpoint: gone.endpoint, fetch })
    await gone.close()
    expect(await outcome(gate)).toBe(UNAVAILABLE)
    expect(calls).toHaveLength(3)
  })

  it('a request after a pause is not sent again if the timeout is shorter than 0.5 s', async () => {
    const gate = await gateAfterPause({ timeout: 0.25 })
    server.reply = silent
    const pending = outcome(gate)
    await asked(2)
    pass(0.25)
    expect(await pending).toBe(UNAVAILABLE)
    pass(10)
    expect(server.asked).toHaveLength(2)
  })
})
