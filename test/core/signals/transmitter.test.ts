/** The requests to a transmitter: their credentials, their limits, and responses that cannot be used. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../../support/clock.ts'
import { signEvent } from '../../support/event-token.ts'
import { createKey } from '../../support/issuer.ts'
import { createPoller, createStore, type Store } from '../../support/poller.ts'
import { send, startTransmitter, type TestTransmitter } from '../../support/transmitter.ts'

const key = await createKey('ES256')

stopClock()
let transmitter: TestTransmitter
let store: Store

beforeEach(async () => {
  transmitter = await startTransmitter()
  store = createStore()
})
afterEach(() => transmitter.close())

const poller = (options = {}) => createPoller(transmitter.endpoint, key, { gate: store, ...options })
const NOTHING = { accepted: 0, rejected: 0, unavailable: 0, moreAvailable: false }

describe('a response that cannot be used', () => {
  const SETS = '"sets" \\(RFC 8936 §2.3\\), but "sets" is'

  it.each<[string, unknown, number, Record<string, string>, string]>([
    ['no JSON', '<html>', 200, {}, 'did not answer with JSON$'],
    ['an array', [], 200, {}, 'did not answer with a JSON object$'],
    ['no sets', {}, 200, {}, `${SETS} undefined$`],
    ['sets that are null', { sets: null }, 200, {}, `${SETS} null$`],
    ['sets that are an array', { sets: ['x'] }, 200, {}, `${SETS} an array$`],
    ['sets that are a text', { sets: 'x' }, 200, {}, `${SETS} a string$`],
    ['a 204', '', 204, {}, 'answered 204$'],
    ['a redirect', '', 302, { location: '/elsewhere' }, 'answered 302$'],
    ['a 307', '', 307, { location: '/elsewhere' }, 'answered 307$'],
    ['a 401', '', 401, {}, 'answered 401$'],
    ['a 429', '', 429, { 'retry-after': '999999' }, 'answered 429$'],
    ['a 500', { sets: {} }, 500, {}, 'answered 500$'],
  ])(
    'is a failure that operators see, and no exception: %s (P04)',
    async (_, body, status, headers, message) => {
      transmitter.reply = (_poll, response) => send(response, body, status, headers)
      const one = poller({ authorization: 'Bearer secret' })
      const { failure, ...rest } = await one.poll()
      expect(rest).toEqual(NOTHING)
      expect(one.rejected).toEqual([{ status: 503, cause: failure }])
      expect(one.failures()[0]).toMatch(new RegExp(`^${transmitter.endpoint}.*${message}`))
      // One request: none to the target of a redirect, and no repetition.
      expect(transmitter.polls).toHaveLength(1)
    },
  )

  it.each([
    ['does not begin', () => {}],
    ['does not end', (response: { write(text: string): unknown }) => response.write('{"sets":')],
  ])('is a failure after the timeout if it %s (P04)', async (_, begin) => {
    transmitter.reply = (_poll, response) => begin(response)
    const one = poller({ timeout: 3 })
    const polling = one.poll()
    await eventually(() => transmitter.polls.length === 1)
    pass(3)
    expect(await polling).toMatchObject(NOTHING)
    expect(one.failures()).toEqual(['The transmitter did not answer in time'])
  })

  it('is a failure if the transmitter cannot be reached', async () => {
    await transmitter.close()
    const one = poller()
    expect(await one.poll()).toMatchObject(NOTHING)
    const [message, ...others] = one.failures()
    expect(others).toEqual([])
    expect(message).toContain(`Failed to reach ${transmitter.endpoint}`)
    transmitter = await startTransmitter()
  })

  it('makes the same poll ask again for half as many tokens, and then for more, if it is too long (P04)', async () => {
    const long = { sets: { a: 'x'.repeat(300_000) } }
    for (let time = 0; time < 2; time += 1) transmitter.replies.push((_, response) => send(response, long))
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    for (const name of names) transmitter.add(name, await signEvent(key, { jti: name }))
    const one = poller({ maxEvents: 7 })
    expect(await one.poll()).toEqual({ ...NOTHING, accepted: 8, failure: undefined })
    expect(transmitter.polls.map(({ body }) => body.maxEvents)).toEqual([7, 3, 1, 2, 4, 7, 0])
    expect([transmitter.acknowledged, one.rejected]).toEqual([names, []])
  })

  it('makes no later poll ask for more tokens than fit, while there are more', async () => {
    const asked: unknown[] = []
    transmitter.reply = ({ body }, response) => {
      const count = body.maxEvents ?? 0
      asked.push(count)
      const sets = Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`${asked.length}-${index}`, 'x'.repeat(50_000)]),
      )
      send(response, { sets, moreAvailable: asked.length < 5 })
    }
    const one = poller({ maxEvents: 8 })
    await one.poll()
    await one.poll()
    // Four of them fit, and more than half of what is read is full.
    expect(asked).toEqual([8, 4, 4, 4, 4, 0, 8, 4, 0])
  })

  it('is a failure if it is too long even with one token (P04)', async () => {
    transmitter.reply = (_, response) => send(response, `{"sets":{},"x":"${'x'.repeat(10_000_000)}"}`)
    const one = poller({ maxEvents: 100 })
    const { failure } = await one.poll()
    expect(transmitter.polls.map(({ body }) => body.maxEvents)).toEqual([100, 50, 25, 12, 6, 3, 1])
    expect(one.rejected).toEqual([{ status: 503, cause: failure }])
    expect(one.failures()[0]).toMatch(/more than 262144 bytes$/)
  })

  it('keeps the acknowledgements for the next request if it is too long (P04)', async () => {
    transmitter.add('a', await signEvent(key, { jti: 'a' }))
    const reply = (sets: object, moreAvailable: boolean) =>
      transmitter.replies.push((_, response) => send(response, { sets, moreAvailable }))
    reply(Object.fromEntries(transmitter.queue), true)
    reply({ b: 'x'.repeat(300_000) }, true)
    reply({}, false)
    await poller({ maxEvents: 2 }).poll()
    expect(transmitter.polls.map(({ body }) => body.ack)).toEqual([undefined, ['a'], ['a']])
  })
})

describe('a request', () => {
  it('has a connection of its own, because an idle one may be dead by the next poll', async () => {
    const sent: RequestInit[] = []
    const fetch = (url: string, init: RequestInit) => {
      sent.push(init)
      return globalThis.fetch(url, { ...init, headers: {} })
    }
    await poller({ fetch }).poll()
    expect(sent).toMatchObject([{ method: 'POST', redirect: 'manual', headers: { connection: 'close' } }])
  })
})

describe('the credentials', () => {
  it('are the value of "authorization", with each request', async () => {
    transmitter.add('a', await signEvent(key, { jti: 'a' }))
    await poller({ authorization: 'Bearer one' }).poll()
    expect(transmitter.polls.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer one',
      'Bearer one',
    ])
  })

  it('are the result of the function, which is called for each request', async () => {
    transmitter.add('a', await signEvent(key, { jti: 'a' }))
    let calls = 0
    await poller({
      authorization: async () => {
        calls += 1
        return `Bearer ${calls}`
      },
    }).poll()
    expect(transmitter.polls.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 2'])
  })

  const cause = new Error('no token')
  it.each([
    [
      'throws',
      () => {
        throw cause
      },
      /"authorization" failed, so http.*\/poll was not polled/,
    ],
    ['rejects', () => Promise.reject(cause), /"authorization" failed/],
    ['returns nothing', () => undefined, /"authorization" must return .* but returned undefined/],
    ['returns a line break', () => 'Bearer secret\n', /"authorization" must return .* but returned a string/],
    [
      'returns other characters',
      () => 'Bearer sécret',
      /"authorization" must return .* but returned a string/,
    ],
  ])('are not sent, nor is the request, if the function %s', async (_, authorization, message) => {
    const one = poller({ authorization })
    expect(await one.poll()).toMatchObject(NOTHING)
    expect(one.failures()).toEqual([expect.stringMatching(message)])
    expect(one.failures()[0]).not.toMatch(/s.cret/)
    expect(transmitter.polls).toEqual([])
  })

  it('are given up after the timeout', async () => {
    let isCalled = false
    const one = poller({
      authorization: () => {
        isCalled = true
        return new Promise(() => {})
      },
    })
    const polling = one.poll()
    await eventually(() => isCalled)
    pass(10)
    expect(await polling).toMatchObject(NOTHING)
    expect(one.failures()).toEqual(['The transmitter did not answer in time'])
  })

  it('and tokens are in no error, also if "fetch" fails', async () => {
    const one = poller({
      endpoint: 'https://signals.example.com/poll?key=hidden',
      authorization: 'Bearer hidden',
      fetch: (url: string) => Promise.reject(new Error(`cannot send to ${url}`)),
    })
    const { failure } = await one.poll()
    const { message, stack, cause } = failure as Error
    expect(message).toBe('Failed to reach https://signals.example.com/poll')
    expect([message, stack, String(cause), (cause as Error).stack].join()).not.toContain('hidden')
  })
})
