/** How the subprotocols of a WebSocket handshake are read. `test/adapters/websocket.test.ts` opens real connections. */

import { createGate, fromWebSocketRequest } from '@bearergate/core'
import { describe, expect, it } from 'vitest'

const identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } as const
const gate = createGate({
  verifier: {
    verify: (token) =>
      token === 'good' ? { active: true, identity } : { active: false, reason: 'unknown_token' },
  },
})

/** The outcome for one value of `Sec-WebSocket-Protocol`, or for several lines of it. */
async function outcomeOf(value: string | readonly string[], authorization?: string) {
  const headers: Record<string, string | readonly string[] | undefined> = {
    upgrade: 'websocket',
    'sec-websocket-protocol': value,
    authorization,
  }
  const handshake = fromWebSocketRequest({ header: (name) => headers[name] })
  const decision = await gate.authenticate(handshake)
  return { outcome: decision.ok ? 'ok' : decision.reason, protocols: handshake.protocols }
}

const items = (count: number) => Array.from({ length: count }, (_, index) => `v${index}`)

describe('an item of Sec-WebSocket-Protocol', () => {
  it.each(['bearer.good', ' bearer.good', 'bearer.good\t', ' \t bearer.good \t '])(
    'is the token if SP and HTAB surround it: %j (ATK17)',
    async (value) => {
      expect(await outcomeOf(`chat,${value},v2`)).toEqual({ outcome: 'ok', protocols: ['chat', 'v2'] })
    },
  )

  it.each(['\u00a0', '\v', '\f', '\r', '\n', '\u0085', '\u1680', '\u2003', '\u2028', '\u3000', '\ufeff'])(
    'counts an item as another subprotocol if %j is before the prefix (ATK17)',
    async (space) => {
      const item = `${space}bearer.good`
      expect(await outcomeOf(`chat, ${item}`)).toEqual({
        outcome: 'no_credentials',
        protocols: ['chat', item],
      })
    },
  )

  it.each(['\u00a0', '\v', '\f', '\r', '\n', '\u0085', '\u1680', '\u2003', '\u2028', '\u3000', '\ufeff'])(
    'counts an item as a malformed token if %j is after it (ATK17)',
    async (space) => {
      expect(await outcomeOf(`bearer.good${space}, chat`)).toEqual({
        outcome: 'malformed_credentials',
        protocols: ['chat'],
      })
    },
  )
})

it('counts an item as malformed if a space is between the prefix and the token (ATK17)', async () => {
  expect(await outcomeOf('bearer. good')).toEqual({ outcome: 'malformed_credentials', protocols: [] })
})

describe('a list of subprotocols', () => {
  it('may have 64 items, the token among them (ATK17)', async () => {
    expect(await outcomeOf([...items(63), 'bearer.good'].join(', '))).toEqual({
      outcome: 'ok',
      protocols: items(63),
    })
    expect(await outcomeOf([items(32).join(), 'bearer.good', items(31).join()])).toMatchObject({
      outcome: 'ok',
    })
  })

  it.each<[string, string | readonly string[]]>([
    ['65 items, the token first', ['bearer.good', ...items(64)].join(', ')],
    ['65 items, the token last', [...items(64), 'bearer.good'].join(', ')],
    ['65 items without a token', items(65).join(', ')],
    ['64 commas and nothing else', ','.repeat(64)],
    ['65 items in two lines', [items(64).join(), 'bearer.good']],
    ['65 lines', [...items(64), 'bearer.good']],
    ['a million items', 'a,'.repeat(1_000_000)],
  ])('answers 400 malformed_credentials for %s (ATK17)', async (_name, value) => {
    const malformed = { outcome: 'malformed_credentials', protocols: [] }
    expect(await outcomeOf(value)).toEqual(malformed)
    expect(await outcomeOf(value, 'Bearer good')).toEqual(malformed)
  })
})
