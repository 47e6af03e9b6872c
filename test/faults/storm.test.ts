/** Many forged key ids and foreign issuers. The issuer gets a few fetches, and good tokens are accepted. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pass, stopClock } from '../support/clock.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer } from './authorization-server.ts'
import { forgedToken, tokenOf } from './client.ts'
import { fixJitter, TICK, type Timeline, timeline } from './timeline.ts'

const SECONDS = 60
/** Over 60 s this makes 100,800 forged tokens. */
const FORGED_PER_TICK = 105

let key: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  key = await createKey('ES256', 'one')
})
stopClock()
fixJitter()
beforeEach(async () => {
  server = await AuthorizationServer.start(key)
})
afterEach(() => server.down())

/** Sends distinct forged key ids for a minute, each group together with a good token. Returns the outcomes of the forged ones. */
async function storm({ send }: Timeline, origin: string): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>()
  let goodToken = ''
  for (let tick = 0; tick < SECONDS / TICK; tick += 1) {
    if (tick % (1 / TICK) === 0) goodToken = await tokenOf(key, origin)
    const good = send(goodToken)
    const forged = Array.from({ length: FORGED_PER_TICK }, (_, index) =>
      send(forgedToken(origin, `forged-${tick}-${index}`)),
    )
    expect(await good).toBe('ok')
    for (const outcome of await Promise.all(forged)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    pass(TICK)
  }
  return outcomes
}

const FORGED = (SECONDS / TICK) * FORGED_PER_TICK

describe('100,000 forged key ids in 60 s', () => {
  it('makes four fetches for 100,000 forged key ids in 60 s, and accepts good tokens (FX34)', async () => {
    const observed = timeline(server)
    // Those of the first moment wait for the budget of two, and one more gets its answer after 30 s.
    expect(await storm(observed, server.origin)).toEqual(
      new Map([
        ['unknown_key', FORGED_PER_TICK + 1],
        ['unavailable', FORGED - FORGED_PER_TICK - 1],
      ]),
    )
    expect(server.fetches).toBe(4)
    // The first fetch, the budget of two, and the one that it regains after 30 s.
    expect(observed.moments).toEqual([0, 0, 0, 30])
  }, 600_000)

  it('makes three attempts for 100,000 forged key ids if the endpoint is down, and accepts good tokens (FX35)', async () => {
    const observed = timeline(server)
    expect(await observed.ask(key)).toBe('ok')
    const { origin } = server
    await server.down()
    expect(await storm(observed, origin)).toEqual(new Map([['unavailable', FORGED]]))
    expect(observed.moments).toEqual([0, 0, 1, 30])
    expect(observed.events.map(({ type }) => type)).toEqual(['refreshed', 'failed', 'failed', 'failed'])
    await server.up()
  }, 600_000)
})

describe('1,000 foreign issuers', () => {
  it('makes no fetch for 1,000 foreign issuers, nor for tokens with a wrong exp or aud (FX36, E11)', async () => {
    const { send, events } = timeline(server)
    for (let index = 0; index < 1000; index += 1)
      expect(await send(forgedToken(`https://issuer${index}.example.com`, 'one'))).toBe('issuer_mismatch')
    expect(await send(await tokenOf(key, server.origin, { exp: 1 }))).toBe('expired')
    expect(await send(await tokenOf(key, server.origin, { aud: 'other' }))).toBe('audience_mismatch')
    expect([events, server.paths]).toEqual([[], []])
  })
})
