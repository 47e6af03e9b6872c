/** What the tests import as `vitest` where there is none: its own runner, expectations and spies, which need Web APIs only. */

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  type ExpectStatic,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from '@vitest/expect'
import { fn, restoreAllMocks, spyOn } from '@vitest/spy'

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from '@vitest/runner'

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin)

const matchers = (globalThis as unknown as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT]

export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  { unreachable: chai.expect.fail },
  chai.expect,
  matchers,
) as unknown as ExpectStatic

const RealDate = Date
const realNow = performance.now

interface FakeTimers {
  toFake: readonly ('Date' | 'performance')[]
  now?: Date | number
}

/** Milliseconds since the clocks were stopped. */
let passed = 0
/** The wall time at which they were stopped, or that was set since, less what has passed. */
let start = 0

const wallTime = () => start + passed

export const vi = {
  fn,
  spyOn,
  restoreAllMocks,
  setConfig() {},
  useFakeTimers({ toFake, now = RealDate.now() }: FakeTimers) {
    passed = 0
    start = Number(now)
    if (toFake.includes('performance')) performance.now = () => passed
    if (!toFake.includes('Date')) return
    globalThis.Date = new Proxy(RealDate, {
      construct: (target, values: []) =>
        values.length === 0 ? new target(wallTime()) : new target(...values),
      get: (target, name) => (name === 'now' ? wallTime : Reflect.get(target, name)),
    })
  },
  useRealTimers() {
    globalThis.Date = RealDate
    performance.now = realNow
  },
  advanceTimersByTime(milliseconds: number) {
    passed += milliseconds
  },
  /** Sets the wall clock of stopped clocks. */
  setSystemTime(milliseconds: number) {
    start = milliseconds - passed
  },
  async waitFor<T>(check: () => T | Promise<T>, { timeout = 1000, interval = 50 } = {}): Promise<T> {
    for (const end = RealDate.now() + timeout; ; await new Promise((go) => setTimeout(go, interval)))
      try {
        return await check()
      } catch (cause) {
        if (RealDate.now() >= end) throw cause
      }
  },
}
