/** Lists of WebSocket subprotocols, against a parser of the tests' own (RFC 9110 §5.6.1). */

import { createGate, fromWebSocketRequest } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCredentials } from './credentials.ts'
import { fuzz, scaled } from './run.ts'

const GOOD = 'eyJh.Z29v_ZC1.b2s'
const MARKER = 'bearer.'
const MAX_ITEMS = 64

const gate = createGate({
  verifier: {
    verify: (token) =>
      token === GOOD
        ? { active: true, identity: { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } }
        : { active: false, reason: 'unknown_token' },
  },
})

/** What a list says, read character by character. */
function readList(lines: readonly string[]): { tokens: string[]; protocols: string[] } | undefined {
  const [tokens, protocols]: [string[], string[]] = [[], []]
  let count = 0
  for (const line of lines) {
    let at = 0
    while (at <= line.length) {
      while (line[at] === ' ' || line[at] === '\t') at += 1
      const start = at
      let end = at
      while (at < line.length && line[at] !== ',') {
        at += 1
        if (line[at - 1] !== ' ' && line[at - 1] !== '\t') end = at
      }
      at += 1
      count += 1
      const item = line.slice(start, end)
      if (item.indexOf(MARKER) === 0) tokens.push(item.substring(MARKER.length))
      else if (item.length > 0) protocols.push(item)
    }
  }
  return count > MAX_ITEMS ? undefined : { tokens, protocols }
}

type Outcome = 'ok' | 'no_credentials' | 'unknown_token' | 'malformed_credentials' | 'multiple_credentials'

function expectedOutcome(lines: readonly string[]): Outcome {
  const { tokens } = readList(lines) ?? { tokens: ['\0'] }
  if (tokens.length !== 1) return tokens.length === 0 ? 'no_credentials' : 'multiple_credentials'
  const credentials = readCredentials(`Bearer ${tokens[0]}`)
  if (tokens[0]?.startsWith(' ')) return 'malformed_credentials'
  if (credentials.kind !== 'bearer') return 'malformed_credentials'
  return credentials.token === GOOD ? 'ok' : 'unknown_token'
}

const space = fc.constantFrom(
  '',
  '',
  '',
  ' ',
  '\t',
  ' \t ',
  '\u00a0',
  '\v',
  '\f',
  '\r',
  '\n',
  '\u2003',
  '\u3000',
  '\ufeff',
)
const item = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('chat', 'v2.chat', 'graphql-ws', '', 'bearer', 'Bearer.x', '"a"', 'a b'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      `${MARKER}${GOOD}`,
      `${MARKER}${GOOD}`,
      MARKER,
      `${MARKER}other`,
      `${MARKER} ${GOOD}`,
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
)
const list = fc
  .array(fc.tuple(space, item, space), { maxLength: 5 })
  .map((items) => items.map((parts) => parts.join('')).join(','))
/** Now and then so many commas that the list has about 64 items. */
const line = fc
  .tuple(
    list,
    fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 55, max: 70 }) },
    ),
  )
  .map(([text, commas]) => text + ','.repeat(commas))

describe('the list of subprotocols', () => {
  it('is read as by another parser, of 20,000 lists (ATK17)', async () => {
    const outcomes = new Map<Outcome, number>()
    const property = fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 3 }), async (lines) => {
      const headers: Record<string, string | readonly string[]> = {
        upgrade: 'websocket',
        'sec-websocket-protocol': lines.length === 1 ? (lines[0] as string) : lines,
      }
      const handshake = fromWebSocketRequest({ header: (name) => headers[name] })
      const decision = await gate.authenticate(handshake)
      const expected = expectedOutcome(lines)
      outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1)
      expect(decision.ok ? 'ok' : decision.reason).toBe(expected)
      expect(handshake.protocols).toEqual(readList(lines)?.protocols ?? [])
    })
    expect(await fuzz('ATK17', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect([...outcomes.keys()].sort()).toEqual([
      'malformed_credentials',
      'multiple_credentials',
      'no_credentials',
      'ok',
      'unknown_token',
    ])
  })
})
