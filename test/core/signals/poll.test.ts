/** One poll of security events: which tokens it applies, acknowledges and reports, and when it ends. */

import { createGate, type Gate } from '@bearergate/core'
import { pollSecurityEvents } from '@bearergate/core/signals'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, freeze, pass, stopClock } from '../../support/clock.ts'
import { CAEP, signEvent } from '../../support/event-token.ts'
import { outcome } from '../../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../../support/issuer.ts'
import { isPending } from '../../support/pending.ts'
import { createPoller, createStore, type Store } from '../../support/poller.ts'
import { send, startTransmitter, type TestTransmitter } from '../../support/transmitter.ts'

const key = await createKey('ES256')
const stranger = await createKey('ES256')
const now = () => NOW * 1000

stopClock()
let transmitter: TestTransmitter
let store: Store

beforeEach(async () => {
  transmitter = await startTransmitter()
  store = createStore()
})
afterEach(() => transmitter.close())

const poller = (options = {}) => createPoller(transmitter.endpoint, key, { gate: store, ...options })

/** A token that ends the session of its name. */
const ofSession = (name: string, claims = {}) => signEvent(key, { jti: name, ...session(name), ...claims })
const session = (id: string) => ({ sub_id: { session: { format: 'opaque', id } } })
const revocation = (sessionId: string) => ({ sessionId, issuer: ISSUER })

async function addSessions(...names: string[]): Promise<void> {
  for (const name of names) transmitter.add(name, await ofSession(name))
}

const DONE = { accepted: 0, rejected: 0, unavailable: 0, moreAvailable: false, failure: undefined }

describe('poll', () => {
  it('revokes the tokens that an event names, and acknowledges it (P04, P08)', async () => {
    const gate: Gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk] } as never,
      now,
    })
    const [ofEmma, ofOther] = [await key.sign({ iat: NOW - 5 }), await key.sign({ sub: 'otto' })]
    expect([await outcome(gate, ofEmma), await outcome(gate, ofOther)]).toEqual(['ok', 'ok'])
    transmitter.add('e1', await signEvent(key))
    const one = poller({ gate })
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1 })
    expect([await outcome(gate, ofEmma), await outcome(gate, ofOther)]).toEqual(['401 revoked', 'ok'])
    expect([transmitter.acknowledged, transmitter.errors, transmitter.queue.size]).toEqual([['e1'], {}, 0])
    expect(one.signals).toMatchObject([{ id: 'e1', ignored: [], isRepeated: false }])
    expect(one.rejected).toEqual([])
  })

  it('posts the parameters as JSON, and acknowledges without asking for more tokens (P04)', async () => {
    await addSessions('a')
    await poller({ maxEvents: 7 }).poll()
    const [first, second] = transmitter.polls
    expect(first).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
    })
    expect(first?.headers).not.toHaveProperty('authorization')
    expect(first?.body).toEqual({ maxEvents: 7, returnImmediately: true })
    expect(second?.body).toEqual({ maxEvents: 0, returnImmediately: true, ack: ['a'] })
    expect(transmitter.polls).toHaveLength(2)
  })

  it('sends one request if there are no tokens', async () => {
    expect(await poller().poll()).toEqual(DONE)
    expect(transmitter.polls.map(({ body }) => body)).toEqual([{ maxEvents: 100, returnImmediately: true }])
  })

  it('acknowledges with the next poll until the transmitter has no more tokens (P04)', async () => {
    await addSessions('a', 'b', 'c', 'd', 'e')
    expect(await poller({ maxEvents: 2 }).poll()).toEqual({ ...DONE, accepted: 5 })
    expect(transmitter.polls.map(({ body }) => [body.maxEvents, body.ack ?? []])).toEqual([
      [2, []],
      [2, ['a', 'b']],
      [2, ['c', 'd']],
      [0, ['e']],
    ])
    expect(store.revoked).toHaveLength(5)
  })

  it('acknowledges nothing before its revocation is stored (P04)', async () => {
    await addSessions('a')
    let finish = () => {}
    store.before = () => new Promise<void>((resolve) => (finish = resolve))
    const polling = poller().poll()
    await eventually(() => transmitter.polls.length === 1)
    expect(await isPending(polling)).toBe(true)
    expect(transmitter.queue.size).toBe(1)
    await eventually(() => {
      finish()
      return transmitter.queue.size === 0
    })
    expect(await polling).toMatchObject({ accepted: 1 })
    expect(store.revoked).toEqual([revocation('a')])
  })

  it('neither acknowledges nor reports a token that cannot be stored, but those beside it (P04)', async () => {
    await addSessions('a', 'b')
    const cause = new RangeError('full')
    store.before = ({ sessionId }) => {
      if (sessionId === 'a') throw cause
    }
    const one = poller()
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1, unavailable: 1 })
    expect(one.rejected).toEqual([{ status: 503, cause }])
    expect([transmitter.acknowledged, transmitter.errors, [...transmitter.queue.keys()]]).toEqual([
      ['b'],
      {},
      ['a'],
    ])
    store.before = () => {}
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1 })
    expect(transmitter.acknowledged).toEqual(['b', 'a'])
    expect(store.revoked).toEqual([revocation('b'), revocation('a')])
  })

  it('gives up a store that does not answer, and goes on with the other tokens (P04)', async () => {
    await addSessions('a', 'b')
    store.before = ({ sessionId }) => sessionId === 'a' && new Promise(() => {})
    const one = poller({ timeout: 4 })
    const polling = one.poll()
    await eventually(() => store.revoked.length === 1)
    pass(4)
    expect(await polling).toEqual({ ...DONE, accepted: 1, unavailable: 1 })
    expect(one.failures()).toEqual(['The event token was not checked and stored in time'])
    expect([...transmitter.queue.keys()]).toEqual(['a'])
  })

  it('neither acknowledges nor reports tokens while the keys are unavailable (P04)', async () => {
    await addSessions('a')
    let isDown = true
    const fetch = async (url: string, init: RequestInit) => {
      if (url === transmitter.endpoint) return globalThis.fetch(url, init)
      return isDown ? new Response('', { status: 500 }) : Response.json({ keys: [key.jwk] })
    }
    const one = poller({ keys: undefined, jwksUri: `${ISSUER}/keys`, fetch })
    expect(await one.poll()).toEqual({ ...DONE, unavailable: 1 })
    expect([transmitter.acknowledged, transmitter.errors]).toEqual([[], {}])
    isDown = false
    pass(60)
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1 })
    expect(transmitter.acknowledged).toEqual(['a'])
  })

  it.each([
    ['an exp', { exp: NOW + 60 }, {}, 'invalid_request'],
    ['no jti', { jti: undefined }, {}, 'invalid_request'],
    ['no iat', { iat: undefined }, {}, 'invalid_request'],
    ['no events', { events: undefined }, {}, 'invalid_request'],
    ['empty events', { events: {} }, {}, 'invalid_request'],
    ['another issuer', { iss: 'https://evil.example' }, {}, 'invalid_issuer'],
    ['another audience', { aud: 'x' }, {}, 'invalid_audience'],
    ['no typ', {}, { typ: undefined }, 'invalid_request'],
    ['the type of an access token', {}, { typ: 'at+jwt' }, 'invalid_request'],
    ['the type of a logout token', {}, { typ: 'logout+jwt' }, 'invalid_request'],
    ['a key that the issuer does not have', {}, { kid: 'x' }, 'invalid_key'],
  ])(
    'reports a token with %s as an error, and accepts those beside it (P01, P02, P04)',
    async (_, claims, header, err) => {
      transmitter.add('bad', await signEvent(key, { jti: 'bad', ...session('bad'), ...claims }, header))
      await addSessions('good')
      const one = poller()
      expect(await one.poll()).toEqual({ ...DONE, accepted: 1, rejected: 1 })
      expect([transmitter.errors, transmitter.acknowledged]).toEqual([{ bad: err }, ['good']])
      const { headers, body } = transmitter.polls[1] ?? {}
      expect(body?.setErrs?.bad).toEqual({ err, description: expect.any(String) })
      expect(headers?.['content-language']).toBe('en')
      expect(one.rejected).toEqual([{ status: 400, description: body?.setErrs?.bad?.description }])
      expect(store.revoked).toEqual([revocation('good')])
    },
  )

  it('reports access tokens, ID tokens, forged ones and other values as errors (P02)', async () => {
    const others: Record<string, unknown> = {
      access: await key.sign({ jti: 'access' }),
      id: await key.sign({ jti: 'id', nonce: 'n' }, { typ: 'JWT' }),
      forged: await signEvent(stranger, { jti: 'forged' }, { kid: key.kid }),
      text: 'x',
      empty: '',
      number: 7,
      null: null,
      object: { jti: 'object' },
    }
    for (const [name, token] of Object.entries(others)) transmitter.add(name, token)
    expect(await poller().poll()).toEqual({ ...DONE, rejected: 8 })
    expect(Object.keys(transmitter.errors)).toEqual(Object.keys(others))
    expect(transmitter.errors.forged).toBe('invalid_key')
    const description = 'The token is not accepted: it is no string'
    expect(transmitter.polls[1]?.body.setErrs?.number).toEqual({ err: 'invalid_request', description })
    expect(store.revoked).toEqual([])
  })

  it('reports a token under another name than its "jti" as an error of that name, without an effect (P04)', async () => {
    transmitter.add('other', await ofSession('a'))
    transmitter.add('__proto__', await ofSession('b'))
    expect(await poller().poll()).toEqual({ ...DONE, rejected: 2 })
    expect(transmitter.polls[1]?.body.setErrs?.other).toEqual({
      err: 'invalid_request',
      description: 'The token is not accepted: its "jti" is not the name under which it was delivered',
    })
    expect(Object.keys(transmitter.polls[1]?.body.setErrs ?? {})).toEqual(['other', '__proto__'])
    expect([store.revoked, transmitter.acknowledged]).toEqual([[], []])
  })

  it('tells operators about other events, and acknowledges them (P08)', async () => {
    const type = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
    transmitter.add('v', await signEvent(key, { jti: 'v', events: { [type]: { state: 'x' } } }))
    const one = poller()
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1 })
    expect(one.signals).toEqual([{ id: 'v', revocations: [], ignored: [type], isRepeated: false }])
    expect([store.revoked, transmitter.acknowledged]).toEqual([[], ['v']])
  })

  it('revokes tokens of "tokenIssuer", and not those of the transmitter', async () => {
    const tokenIssuer = 'https://other.example'
    const events = { [`${CAEP}session-revoked`]: {} }
    transmitter.add('e1', await signEvent(key, { events, sub_id: { format: 'opaque', id: 'emma' } }))
    await poller({ tokenIssuer }).poll()
    expect(store.revoked).toEqual([{ subject: 'emma', issuer: tokenIssuer, issuedBefore: NOW }])
  })

  it('acknowledges a token that was received before, without an effect (P07)', async () => {
    const one = poller()
    await addSessions('a')
    await one.poll()
    await addSessions('a')
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1 })
    expect(transmitter.acknowledged).toEqual(['a', 'a'])
    expect(store.revoked).toEqual([revocation('a')])
    expect(one.signals.map(({ isRepeated }) => isRepeated)).toEqual([false, true])
  })

  it('acknowledges after a restart what the process before it stored but could not acknowledge (P04, P07)', async () => {
    await addSessions('a')
    const before = poller()
    transmitter.replies.push(
      (_, response) => send(response, { sets: Object.fromEntries(transmitter.queue) }),
      (_, response) => send(response, '', 500),
    )
    expect(await before.poll()).toMatchObject({ accepted: 1, failure: { status: 500 } })
    expect(transmitter.acknowledged).toEqual([])
    expect(await poller().poll()).toEqual({ ...DONE, accepted: 1 })
    expect(transmitter.acknowledged).toEqual(['a'])
  })

  it('repeats acknowledgements and errors in the next poll after a failure (P04)', async () => {
    await addSessions('a')
    transmitter.add('bad', 'x')
    const one = poller()
    transmitter.replies.push(
      (_, response) => send(response, { sets: Object.fromEntries(transmitter.queue) }),
      (_, response) => send(response, '', 503),
    )
    await one.poll()
    expect(await one.poll()).toEqual(DONE)
    expect(transmitter.polls[2]?.body).toMatchObject({
      ack: ['a'],
      setErrs: { bad: { err: 'invalid_request' } },
    })
    expect([transmitter.acknowledged, transmitter.errors]).toEqual([['a'], { bad: 'invalid_request' }])
  })

  it('acknowledges a token when it comes again, if the transmitter rejected the acknowledgement', async () => {
    await addSessions('a')
    const one = poller()
    transmitter.replies.push(
      (_, response) => send(response, { sets: Object.fromEntries(transmitter.queue) }),
      (_, response) => send(response, { err: 'invalid_request' }, 400),
    )
    await one.poll()
    expect(await one.poll()).toEqual({ ...DONE, accepted: 1 })
    expect(transmitter.polls[2]?.body).not.toHaveProperty('ack')
    expect(transmitter.acknowledged).toEqual(['a'])
    expect(store.revoked).toEqual([revocation('a')])
  })

  it('may run twice at the same time, and each token is acknowledged', async () => {
    await addSessions('a', 'b')
    const one = poller()
    expect(await Promise.all([one.poll(), one.poll()])).toMatchObject([
      { failure: undefined },
      { failure: undefined },
    ])
    expect(transmitter.acknowledged).toEqual(['a', 'b'])
    expect(one.rejected).toEqual([])
  })

  it.each([202, 204])('counts a %i without a body as the answer to an acknowledgement', async (status) => {
    await addSessions('a')
    transmitter.replies.push(
      (_, response) => send(response, { sets: Object.fromEntries(transmitter.queue) }),
      (_, response) => response.writeHead(status).end(),
    )
    expect(await poller().poll()).toEqual({ ...DONE, accepted: 1 })
  })
})

describe('the end of a poll', () => {
  it('comes after 25 requests with tokens, and the next poll goes on', async () => {
    const names = Array.from({ length: 27 }, (_, index) => `n${index}`)
    await addSessions(...names)
    const one = poller({ maxEvents: 1 })
    expect(await one.poll()).toEqual({ ...DONE, accepted: 25, moreAvailable: true })
    expect(transmitter.acknowledged).toEqual(names.slice(0, 25))
    expect(await one.poll()).toEqual({ ...DONE, accepted: 2 })
  })

  it('comes after 60 s, with what was received acknowledged', async () => {
    await addSessions('a', 'b')
    store.before = () => freeze(60)
    expect(await poller({ maxEvents: 1 }).poll()).toEqual({ ...DONE, accepted: 1, moreAvailable: true })
    expect(transmitter.acknowledged).toEqual(['a'])
  })

  it('comes at once if the transmitter has more tokens, but sends none', async () => {
    transmitter.reply = (_, response) => send(response, { sets: {}, moreAvailable: true })
    expect(await poller().poll()).toEqual({ ...DONE, moreAvailable: true })
    expect(transmitter.polls).toHaveLength(1)
  })

  it('comes if the transmitter ignores acknowledgements and errors, and sends the same tokens again', async () => {
    const sets = { a: await ofSession('a'), bad: 'x' }
    transmitter.reply = (_, response) => send(response, { sets, moreAvailable: true })
    expect(await poller().poll()).toEqual({ ...DONE, accepted: 2, rejected: 2, moreAvailable: true })
    expect(transmitter.polls.map(({ body }) => body.maxEvents)).toEqual([100, 100, 0])
    expect(store.revoked).toEqual([revocation('a')])
  })

  it('comes if the transmitter sends the same token with a long name again', async () => {
    const sets = { ['x'.repeat(300)]: 'x' }
    transmitter.reply = (_, response) => send(response, { sets, moreAvailable: true })
    expect(await poller().poll()).toEqual({ ...DONE, rejected: 2, moreAvailable: true })
  })

  it('comes after all tokens, also if their names are long', async () => {
    const names = ['a', 'b', 'c'].map((letter) => letter.repeat(3000))
    await addSessions(...names)
    const one = poller({ maxEvents: 1 })
    expect(await one.poll()).toEqual({ ...DONE, accepted: 3 })
    expect(transmitter.acknowledged).toEqual(names)
    await addSessions(...names)
    await one.poll()
    expect(one.signals.map(({ isRepeated }) => isRepeated)).toEqual([false, false, false, true, true, true])
  })

  it('comes after all tokens, also if those in front are rejected', async () => {
    for (const name of ['x', 'y', 'z']) transmitter.add(name, 'garbage')
    await addSessions('a')
    expect(await poller({ maxEvents: 1 }).poll()).toEqual({ ...DONE, accepted: 1, rejected: 3 })
  })

  it('comes if no token can be stored', async () => {
    await addSessions('a', 'b')
    store.before = () => Promise.reject(new Error('down'))
    expect(await poller({ maxEvents: 1 }).poll()).toEqual({ ...DONE, unavailable: 1, moreAvailable: true })
    expect(transmitter.polls).toHaveLength(1)
  })

  it('handles no more tokens of one response than it asked for', async () => {
    await addSessions('a', 'b', 'c')
    const all = Object.fromEntries(transmitter.queue)
    transmitter.replies.push((_, response) => send(response, { sets: all }))
    expect(await poller({ maxEvents: 2 }).poll()).toEqual({ ...DONE, accepted: 3 })
    expect(transmitter.polls.map(({ body }) => body.ack)).toEqual([undefined, ['a', 'b'], ['c']])
  })
})

describe('the configuration', () => {
  const endpoint = 'https://signals.example.com/poll'
  const good = () => ({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [key.jwk] },
    endpoint,
    gate: store,
  })
  const create = (options: object | undefined) => () =>
    pollSecurityEvents((options === undefined ? options : { ...good(), ...options }) as never)

  it.each([
    [{ endpoint: undefined }, /"endpoint" must be an https URL/],
    [{ endpoint: 'http://signals.example.com/poll' }, /"endpoint" must be an https URL.*allowHttp/],
    [{ endpoint: 'https://user:secret@signals.example.com/' }, /"endpoint" must be an https URL/],
    [{ authorization: '' }, /"authorization" must be the value .* received an empty string/],
    [{ authorization: 'Bearer secret\n' }, /"authorization" must be the value .* received a string/],
    [{ authorization: { token: 'secret' } }, /"authorization" must be the value .* received an object/],
    [{ maxEvents: 0 }, /"maxEvents" must be a whole number from 1 to 1000/],
    [{ maxEvents: 1001 }, /"maxEvents"/],
    [{ timeout: 0 }, /"timeout" must be a number of seconds from 0.1 to 60/],
    [{ longPollTimeout: 301 }, /"longPollTimeout" must be a number of seconds from 1 to 300/],
    [{ fetch: 'x' }, /"fetch" must be a function/],
    [{ tokenIssuer: 7 }, /"tokenIssuer" must be a non-empty string/],
    [{ gate: undefined }, /"gate" must be a gate/],
    [{ issuer: undefined }, /"issuer"/],
    [{ audience: null }, /must not be null/],
    [{ endpiont: 'x' }, /has no option "endpiont": did you mean "endpoint"/],
    [undefined, /must be a plain object, but it received undefined/],
  ])('throws a TypeError for %o', (options, message) => {
    expect(create(options)).toThrow(message)
    expect(create(options)).toThrow(TypeError)
    expect(create(options)).not.toThrow(/secret/)
  })

  it('throws a TypeError for an option that is inherited', () => {
    const options = Object.assign(Object.create({ maxEvents: 5 }), good())
    expect(() => pollSecurityEvents(options)).toThrow('"maxEvents" of "pollSecurityEvents" is inherited')
  })

  it('allows plain http to the hosts in "allowHttp"', () => {
    const options = { endpoint: 'http://signals:8080/poll', allowHttp: ['signals:8080'] }
    expect(create(options)()).toHaveProperty('poll')
  })
})
