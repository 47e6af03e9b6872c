/** Processes that share revocations and results on a Redis that fails in every way, under load. The checker counts each answer. */

import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { json, startIntrospector } from '../support/introspector.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { connect, hasRedis, startRedis } from '../support/redis.ts'
import { passes } from './ledger.ts'
import { ACTIVE, Api, EXPIRED, Load } from './redis-load.ts'

/** The age of the feed at which it counts as unavailable. Longer than any pause of a busy machine: the test moves the clock. */
const MAX_LAG = 300
/** How many requests every process answers in each state. */
const REQUESTS = 40

describe.skipIf(!hasRedis)('Redis fails under load', () => {
  let key: TestKey
  const closing: (() => unknown)[] = []
  beforeAll(async () => {
    key = await createKey()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** Three processes, of which the first one revokes, and constant load. */
  async function world(ifUnavailable: 'reject' | 'continue') {
    const redis = await startRedis()
    closing.push(() => redis.close())
    const server = await startIntrospector((asked, response) => {
      const token = asked.form.get('token') ?? ''
      const exp = Date.now() / 1000 + (token.startsWith(EXPIRED) ? -3600 : 3600)
      const active = token.startsWith(ACTIVE) || token.startsWith(EXPIRED)
      json({ active, sub: 'emma', exp })(asked, response)
    })
    closing.push(server.close)
    const admin = await connect(redis.url)
    closing.push(() => admin.destroy())
    const setup = {
      redis: redis.url,
      endpoint: server.endpoint,
      jwk: key.jwk,
      maxLag: MAX_LAG,
      ifUnavailable,
    }
    const apis = await Promise.all([0, 1, 2].map(() => Api.start(setup)))
    closing.push(() => Promise.all(apis.map((api) => api.kill())))
    const failsClosed = ifUnavailable === 'reject'
    const load = await Load.begin(apis, key, { failsClosed })
    const [first] = apis as [Api, Api, Api]
    const all = <T>(of: (api: Api) => T) => Promise.all(apis.map(of))
    let revocations = 0

    /** Revokes a token in the first process. Returns a function that waits for its answer. */
    async function revoke(): Promise<() => Promise<boolean>> {
      revocations += 1
      const now = Math.floor(Date.now() / 1000)
      const id = `revoked-${revocations}`
      load.revoking(await key.sign({ jti: id, iat: now - 10, exp: now + 3600 }))
      const answer = first.next((message) => 'revoked' in message && message.revoked === id)
      const count = revocations
      first.order({ revoke: id })
      // In the first process it is in effect at once, whatever Redis does.
      await first.until(() => first.known >= count)
      return async () => ((await answer()) as { isStored: boolean }).isStored
    }

    return {
      redis,
      admin,
      apis,
      load,
      all,
      revoke,
      /** Waits until every process knows all revocations. */
      known: () => all((api) => api.until(() => api.known >= revocations)),
      /** Lets `maxLag` pass for a feed that does not work. From now on nothing unknown may be accepted, if the gate fails closed. */
      async becomeLate() {
        await all(async (api) => {
          if (failsClosed) api.state = 'perhaps late'
          await api.drain()
          const passed = api.next((message) => 'passed' in message)
          api.order({ pass: MAX_LAG + 1 })
          await passed()
          await api.drain()
          if (failsClosed) api.state = 'late'
        })
        await load.more(REQUESTS)
      },
      /** Ends a fault, and waits until all feeds are current again. After that, every answer must be as before the fault. */
      async recover(end: () => unknown) {
        await all(async (api) => {
          if (failsClosed) api.state = 'perhaps late'
          await api.drain()
        })
        const current = apis.map((api) => api.feed('current'))
        await end()
        await all(async (api) => {
          await current[apis.indexOf(api)]?.()
          api.state = 'current'
        })
        await load.more(REQUESTS)
      },
      /** Causes a fault, and waits until all feeds report it. The answers must not change before `maxLag`. */
      async fail(cause: () => unknown) {
        const failed = apis.map((api) => api.feed('failed'))
        await cause()
        await Promise.all(failed.map((wait) => wait()))
        await load.more(REQUESTS)
      },
    }
  }

  it.each(['reject', 'continue'] as const)(
    'answers only 200, 401 and 503, accepts no revoked token, and recovers, if ifUnavailable is "%s"',
    async (ifUnavailable) => {
      const { redis, admin, apis, load, all, revoke, known, becomeLate, recover, fail } =
        await world(ifUnavailable)
      await load.more(REQUESTS)
      expect(await (await revoke())()).toBe(true)
      await known()
      await load.more(REQUESTS)

      // Killed, and started again.
      await fail(() => redis.kill())
      const whileKilled = await revoke()
      await becomeLate()
      await recover(() => redis.start())
      // It may have failed with the connection, or have waited for Redis. It is stored either way.
      await whileKilled()
      await known()
      await load.more(REQUESTS)

      // Killed, and started again before anything is late.
      await fail(() => redis.kill())
      await recover(() => redis.start())

      // Stopped with SIGSTOP: connections stay open.
      await fail(() => redis.pause())
      const whileStopped = await revoke()
      await becomeLate()
      await recover(() => redis.resume())
      await whileStopped()
      await known()
      await load.more(REQUESTS)

      // Full. The feed can be read.
      await all((api) => api.until(() => api.resultsState === 'recovered'))
      await admin.configSet('maxmemory', '1')
      expect(await (await revoke())()).toBe(false)
      await all((api) => api.until(() => api.resultsState === 'failed'))
      await load.more(REQUESTS)
      expect(apis.slice(1).map((api) => api.known)).toEqual([3, 3])
      await admin.configSet('maxmemory', '0')
      await known()
      await all((api) => api.until(() => api.resultsState === 'recovered'))
      await load.more(REQUESTS)

      // The wrong type under the key, so the stream is lost. Each process still knows it.
      await fail(() => admin.set('bearergate:revocations', 'text'))
      expect(await (await revoke())()).toBe(false)
      await becomeLate()
      await recover(() => admin.del('bearergate:revocations'))
      await known()
      await load.more(REQUESTS)

      // All connections dropped, again and again until each feed was waiting on one.
      const dropped = new Set<Api>()
      for (const api of apis)
        void api
          .feed('failed')()
          .then(() => dropped.add(api))
      while (dropped.size < apis.length) {
        await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal'])
        await load.more(1)
      }
      await all((api) => api.until(() => api.feedState === 'current'))
      await revoke()
      await known()
      await load.more(REQUESTS)

      // All data lost.
      await admin.flushAll()
      await load.more(REQUESTS)
      expect(await (await revoke())()).toBe(true)
      await known()
      await load.more(REQUESTS)

      await all((api) => api.until(() => api.resultsState === 'recovered'))
      await load.end()
      const verdict = load.ledger.verdict()
      expect(verdict.examples).toEqual([])
      expect(passes(verdict)).toBe(true)
      expect(await all((api) => api.troubles)).toEqual([[], [], []])
      const counts = load.ledger.byClass
      for (const seen of [
        'good → 200',
        'expired → 401',
        'forged signature → 401',
        'garbage → 401',
        'revoked → 401',
      ])
        expect(counts.get(seen)).toBeGreaterThan(REQUESTS)
      // While the feed was late, it was closed, or open.
      if (ifUnavailable === 'reject') expect(counts.get('unchecked → 503')).toBeGreaterThan(REQUESTS)
      else expect([...counts.keys()].filter((name) => name.endsWith('503'))).toEqual([])
    },
  )
})
