/** The rates of docs/scale.md, compared to what real gates cause in hours of requests at random times. */

import { createGate, type Gate, introspection, type ResultStore, type StoredAnswer } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { eventually, pass, stopClock, time } from '../support/clock.ts'
import { statusOf } from '../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../support/issuer.ts'
import { randomFrom } from '../support/sample.ts'
import { FORMULAS, type Load } from '../support/scale.ts'

/** The rates are means of random numbers: of about 1,000 fetches or introspections. */
const TOLERANCE = 0.08
const SEED = 7

/**
 * Shares answers as `redisResults` does, with the stopped clock of the test. Counts the commands that it would send, of which
 * scale.test.ts shows that they are those of `redisResults`.
 */
function sharedResults(ttl: number) {
  const stored = new Map<string, { answer: StoredAnswer['answer']; askedAt: number }>()
  const store = {
    commands: 0,
    async find(name, { ask }) {
      store.commands += 2
      const known = stored.get(name)
      if (known !== undefined && time() - known.askedAt < ttl)
        return { answer: known.answer, age: time() - known.askedAt }
      store.commands += 2
      const { answer } = await ask()
      stored.set(name, { answer, askedAt: time() })
      return { answer, age: 0 }
    },
  } satisfies ResultStore & { commands: number }
  return store
}

describe('the rates of docs/scale.md', () => {
  stopClock()

  /**
   * Sends requests at random times, with a random token to a random process. Returns for how many seconds.
   * @param settled waits for what a request has started
   */
  async function send(
    { R }: Load,
    gates: readonly Gate[],
    tokens: readonly string[],
    requests: number,
    settled: () => Promise<void> = async () => {},
  ): Promise<number> {
    const random = randomFrom(SEED)
    const beganAt = time()
    const oneOf = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)] as T
    for (let sent = 0; sent < requests; sent += 1) {
      pass(-Math.log(1 - random()) / R)
      expect(await statusOf(oneOf(gates), oneOf(tokens))).toBe(200)
      await settled()
    }
    return time() - beganAt
  }

  it('say how often processes fetch keys, for any number of requests', async () => {
    const load: Load = { N: 8, T: 1, R: 0.8, V: 0, E: 0, F: 600, L: 0 }
    const key = await createKey()
    let fetches = 0
    let refreshed = 0
    const onJwks = () => {
      refreshed += 1
    }
    const fetch = async () => {
      fetches += 1
      return Response.json({ keys: [key.jwk] })
    }
    const options = {
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUri: `${ISSUER}/keys`,
      cacheMaxAge: load.F,
      fetch,
      onJwks,
    }
    const gates = Array.from({ length: load.N }, () => createGate(options))
    const tokens = [await key.sign({ exp: NOW + 10_000_000 })]
    // The refresh is in the background, and would fail if the clock passed its deadline.
    const settled = () =>
      refreshed === fetches ? Promise.resolve() : eventually(() => refreshed === fetches)
    const seconds = await send(load, gates, tokens, 30_000, settled)
    expectNear((3600 * fetches) / seconds, FORMULAS.keyFetches.of(load))
  })

  it.each<[string, boolean, number]>([
    ['alone', false, 1],
    ['with shared results', true, 1],
    ['with shared results, of rare tokens', true, 0.2],
  ])('say how often processes introspect %s', async (_, isShared, R) => {
    const load: Load = { N: 5, T: 10, R, V: 0, E: 0, F: 0, L: 30 }
    let calls = 0
    const fetch = async () => {
      calls += 1
      return Response.json({ active: true, sub: 'emma' })
    }
    const store = isShared ? sharedResults(load.L) : undefined
    const gates = Array.from({ length: load.N }, () => {
      const cache = { ttl: load.L, ...(store && { store }) }
      const credentials = { clientId: 'api', clientSecret: 'secret', audience: null }
      return createGate({
        verifier: introspection({ endpoint: `${ISSUER}/introspect`, ...credentials, fetch, cache }),
      })
    })
    const tokens = Array.from({ length: load.T }, (__, number) => `token-${number}`)
    const seconds = await send(load, gates, tokens, 5000)
    expectNear(calls / seconds, (isShared ? FORMULAS.callsShared : FORMULAS.callsAlone).of(load))
    if (store !== undefined) expectNear(store.commands / seconds, FORMULAS.resultCommands.of(load))
  })
})

function expectNear(measured: number, computed: number): void {
  expect(Math.abs(measured / computed - 1), `measured ${measured}, computed ${computed}`).toBeLessThan(
    TOLERANCE,
  )
}
