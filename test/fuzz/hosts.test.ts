/** Odd and repeated Authorization fields, through every host (RFC 6750 §3.1, RFC 9110 §5.3). */

import { createGate, fromNodeRequest, type Gate, type Identity } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, type Before, type Host, hosts } from '../support/hosts.ts'
import { listen, send } from '../support/server.ts'

const GOOD = 'Bearer good'
const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }
const gate: Gate = createGate({
  verifier: {
    verify: (token) =>
      token === 'good' ? { active: true, identity } : { active: false, reason: 'unknown_token' },
  },
})

/** `node:http` by itself, with the view that the adapters use. */
const nodeHost: Host = {
  name: 'node:http',
  async start(served, before) {
    const { origin, close } = await listen(async (request, response) => {
      before?.(request)
      const decision = await served.authenticate(fromNodeRequest(request))
      response.statusCode = decision.ok ? 200 : decision.status
      if (!decision.ok)
        for (const [name, value] of Object.entries(decision.headers)) response.setHeader(name, value)
      response.end()
    })
    return { send: (path, sent) => send(origin + path, sent), close }
  },
}

const all = [...hosts, nodeHost]

function throws(): never {
  throw new Error('not to be read')
}
const traps = {
  get: throws,
  has: throws,
  ownKeys: throws,
  getPrototypeOf: throws,
  getOwnPropertyDescriptor: throws,
}
const revoked = Proxy.revocable([], {})
revoked.revoke()

/** What a middleware before may have made of the field, and the status that is right for it. */
const ODD: readonly (readonly [name: string, value: unknown, status: number])[] = [
  ['undefined', undefined, 401],
  ['null', null, 400],
  ['0', 0, 400],
  ['true', true, 400],
  ['an empty array', [], 400],
  ['an array of one unknown token', ['Bearer a'], 401],
  ['an array of two', ['a', 'b'], 400],
  ['an array of the good token twice', [GOOD, GOOD], 400],
  ['an array in an array', [[GOOD]], 400],
  ['an array with a hole', new Array(1), 400],
  ['an object', {}, 400],
  ['an object with toString', { toString: () => GOOD }, 400],
  ['an object with Symbol.toPrimitive', { [Symbol.toPrimitive]: () => GOOD }, 400],
  ['an object like an array', { 0: GOOD, length: 1 }, 400],
  ['a Buffer', Buffer.from(GOOD), 400],
  ['a Symbol', Symbol(GOOD), 400],
  ['a BigInt', 1n, 400],
  ['a String', new String(GOOD), 400],
  ['a Date', new Date(0), 400],
  ['a function', () => GOOD, 400],
  ['a Proxy that throws', new Proxy({}, traps), 400],
  ['an array Proxy that throws', new Proxy([], traps), 503],
  ['a revoked Proxy', revoked.proxy, 503],
]

/** Headers join these two into one value, in which the second reads like one more parameter of the first. */
const JOINED_INTO_PARAMETERS: readonly (readonly string[])[] = [['Digest username="a", realm="b"', GOOD]]

/** Two to a hundred lines. */
const REPEATED: readonly (readonly string[])[] = [
  ...JOINED_INTO_PARAMETERS,
  [GOOD, GOOD],
  [GOOD, 'Bearer other'],
  ['Bearer other', GOOD],
  [GOOD, 'bearer good'],
  [GOOD, 'DPoP good'],
  ['DPoP good', GOOD],
  [GOOD, 'Basic YTpi'],
  ['Basic YTpi', GOOD],
  [GOOD, ''],
  ['', GOOD],
  [GOOD, 'Bearer'],
  ['Negotiate', GOOD],
  [GOOD, 'Digest username="a", realm="b"'],
  [`${GOOD}, ${GOOD}`],
  [`${GOOD},`],
  [`,${GOOD}`],
  [`Basic YTpi, ${GOOD}`],
  [GOOD, GOOD, GOOD],
  [GOOD, ...Array<string>(99).fill(GOOD)],
  [GOOD, ...Array<string>(99).fill('Basic YTpi')],
  [...Array<string>(99).fill('Basic YTpi'), GOOD],
]

const NAMES = ['Authorization', 'authorization', 'AUTHORIZATION']

describe.each(all)('Authorization through $name', (host) => {
  let api: Api
  let before: Before | undefined
  beforeAll(async () => {
    api = await host.start(gate, (request) => before?.(request))
  })
  afterAll(() => api.close())

  const answer = async (lines: readonly string[], names = NAMES) =>
    (
      await api.send('/me', {
        headers: lines.flatMap((line, index) => [names[index % names.length] ?? '', line]),
      })
    ).status

  it('answers 400 to what is repeated or joined (BI03)', async () => {
    const wrong: unknown[] = []
    let count = 0
    for (const lines of REPEATED)
      for (const names of [NAMES, ['authorization']]) {
        const status = await answer(lines, names)
        count += 1
        const right = host.name === 'fetch' && JOINED_INTO_PARAMETERS.includes(lines) ? 401 : 400
        if (status !== right) wrong.push([status, lines])
      }
    expect(wrong).toEqual([])
    expect(count * all.length).toBeGreaterThanOrEqual(60)
    expect(await answer([GOOD])).toBe(200)
  })

  // The Headers of a Request hold strings only.
  if (host.name === 'fetch') return

  it('returns a decision for anything that earlier middleware sets, and never a 500 (BI02)', async () => {
    const answers = []
    for (const [name, value] of ODD)
      for (const lines of [[], [GOOD]]) {
        before = (request) => {
          request.headers.authorization = value as string
        }
        answers.push([name, await answer(lines)])
      }
    before = undefined
    expect(answers).toEqual(
      ODD.flatMap(([name, , status]) => [
        [name, status],
        [name, status],
      ]),
    )
    expect(ODD.length).toBeGreaterThanOrEqual(16)
  })

  it('answers 503 if reading the field throws (BI02)', async () => {
    before = (request) => {
      Object.defineProperty(request.headers, 'authorization', { get: throws })
    }
    expect(await answer([GOOD])).toBe(503)
    before = undefined
    expect(await answer([GOOD])).toBe(200)
  })
})

describe('the core', () => {
  it('returns a decision for each odd value in a view, in the headers of a Request, and with protect() (BI02)', async () => {
    const handler = gate.protect(() => new Response('passed'))
    for (const [name, value, status] of ODD) {
      expect([name, gate.authenticate({ header: () => value as string })]).toMatchObject([
        name,
        { ok: false, status },
      ])
      const request = { headers: { get: () => value } } as unknown as Request
      // To Headers, null is a field that is not there.
      const told = value === null ? 401 : status
      expect([name, gate.authenticate(request)]).toMatchObject([name, { ok: false, status: told }])
      expect([name, (await handler(request)).status]).toEqual([name, told])
    }
    expect(gate.authenticate({ header: throws })).toMatchObject({ ok: false, status: 503 })
  })
})
