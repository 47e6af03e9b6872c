/** Forged key ids and foreign issuers in numbers: the issuer is not flooded, and good tokens pass. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer } from './authorization-server.ts'
import { forgedToken, observe, tokenOf } from './client.ts'
import { pass, stoppedClock } from './clock.ts'

const FORGED = 100_000
const SECONDS = 60

let key: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  key = await createKey('ES256', 'one')
})
stoppedClock()
beforeEach(async () => {
  server = await AuthorizationServer.start(key)
})
afterEach(() => server.down())

/** Forged key ids over a minute, and a good token among each hundred. */
async function storm(observed: ReturnType<typeof observe>, origin: string): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>()
  for (let index = 0; index < FORGED; index += 1) {
    const outcome = await observed.send(forgedToken(origin, `forged-${index}`))
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    if (index % 100 === 0) expect(await observed.ask(key)).toBe('ok')
    pass(SECONDS / (FORGED + 1))
  }
  return outcomes
}

describe('100,000 forged key ids in 60 s', () => {
  it('FX34 cost four fetches at most, and no good token its pass', async () => {
    const observed = observe(server)
    const outcomes = await storm(observed, server.origin)
    expect(outcomes).toEqual(new Map([['unknown_key', FORGED]]))
    expect(server.fetches).toBeLessThanOrEqual(4)
    expect(observed.events).toHaveLength(server.fetches)
  }, 120_000)

  it('FX35 cost no more with the endpoint down', async () => {
    const observed = observe(server)
    expect(await observed.ask(key)).toBe('ok')
    const { origin } = server
    await server.down()
    const outcomes = await storm(observed, origin)
    expect([...outcomes.keys()].filter((outcome) => outcome !== 'unavailable')).toEqual([])
    expect(observed.events.length).toBeLessThanOrEqual(4)
    await server.up()
  }, 120_000)
})

describe('1,000 foreign issuers', () => {
  it('FX36 E11 cause no fetch at all, nor do tokens that are wrong in another way', async () => {
    const { send, events } = observe(server)
    for (let index = 0; index < 1000; index += 1)
      expect(await send(forgedToken(`https://issuer${index}.example.com`, 'one'))).toBe('wrong_issuer')
    expect(await send(await tokenOf(key, server.origin, { exp: 1 }))).toBe('expired')
    expect(await send(await tokenOf(key, server.origin, { aud: 'other' }))).toBe('wrong_audience')
    expect([events, server.paths]).toEqual([[], []])
  })
})
