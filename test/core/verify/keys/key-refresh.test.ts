/** The attempts of a refresh: which result counts, how long one may take, and what follows a failure. */

import { type JwksEvent, UnavailableError } from '@bearergate/core'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { DEFAULT_ALGORITHMS, type VerificationKey } from '#core/verify/keys/jwk.ts'
import { usableKeys } from '#core/verify/keys/jwks.ts'
import type { KeyLoader, LoadedKeys, LoadRequest } from '#core/verify/keys/key-loader.ts'
import { KeyRefresh } from '#core/verify/keys/key-refresh.ts'
import { RefreshBudget } from '#core/verify/keys/refresh-budget.ts'
import { RefreshPolicy } from '#core/verify/keys/refresh-policy.ts'
import { dropDeadlines, freeze, pass, stopClock } from '../../../support/clock.ts'
import { createKey, ISSUER } from '../../../support/issuer.ts'
import { isPending } from '../../../support/pending.ts'

const TIMEOUT = 5
const MESSAGE = `Failed to fetch the JWKS of ${ISSUER}`

let first: VerificationKey
let second: VerificationKey
beforeAll(async () => {
  const published = await Promise.all(['first', 'second'].map((kid) => createKey('ES256', kid)))
  const { keys } = await usableKeys(
    published.map(({ jwk }) => jwk),
    DEFAULT_ALGORITHMS,
    [],
  )
  ;[first, second] = keys as [VerificationKey, VerificationKey]
})

stopClock()
let events: JwksEvent[]
beforeEach(() => {
  events = []
})
const types = () => events.map(({ type }) => type)

function setOf(key: VerificationKey, age = 0, problems: readonly string[] = []): LoadedKeys {
  const source = age === 0 ? 'issuer' : 'store'
  return { source, keys: [key], problems, published: [key.jwk], age, maxAge: undefined }
}

interface Load extends LoadRequest {
  readonly resolve: (loaded: LoadedKeys) => void
  readonly reject: (cause: unknown) => void
}

/**
 * A refresh whose loads a test ends by hand.
 * @param isDeaf whether loads ignore their signal
 */
function refreshOf(isDeaf = false) {
  const loads: Load[] = []
  const accepted: LoadedKeys[] = []
  const loader: KeyLoader = {
    load: (request) =>
      new Promise((resolve, reject) => {
        loads.push({ ...request, resolve, reject })
        if (!isDeaf) request.signal.addEventListener('abort', () => reject(request.signal.reason))
      }),
    accepted: (loaded) => void accepted.push(loaded),
  }
  const policy = new RefreshPolicy({ cacheMaxAge: undefined, staleIfError: undefined })
  const budget = new RefreshBudget(30)
  const refresh = new KeyRefresh({
    issuer: ISSUER,
    loader,
    policy,
    budget,
    timeout: TIMEOUT,
    onJwks: (event) => void events.push(event),
  })
  const keys = () => refresh.state.keys
  return { refresh, policy, budget, loads, accepted, keys }
}

it('loads once for all that start it while it is pending', async () => {
  const { refresh, loads, keys } = refreshOf()
  const started = [refresh.start(), refresh.start(), refresh.start()]
  expect(loads).toHaveLength(1)
  loads[0]?.resolve(setOf(first))
  await Promise.all(started)
  expect(keys()).toEqual([first])
  expect(refresh.pending).toBeUndefined()
})

it('passes the keys that are used now to the loader', async () => {
  const { refresh, loads } = refreshOf()
  const empty = refresh.start()
  loads[0]?.resolve(setOf(first))
  await empty
  void refresh.start()
  expect(loads.map(({ known }) => known)).toEqual([[], [first]])
})

it('drops the set of an attempt that a newer one replaced, even if it comes last', async () => {
  const { refresh, loads, accepted, keys } = refreshOf(true)
  const before = refresh.start()
  dropDeadlines()
  pass(TIMEOUT + 1)
  const after = refresh.start()
  expect(loads).toHaveLength(2)
  loads[1]?.resolve(setOf(second))
  await after
  loads[0]?.resolve(setOf(first))
  // The newer attempt has ended, so there is none to wait for.
  await expect(before).rejects.toThrow(MESSAGE)
  expect(keys()).toEqual([second])
  expect(accepted).toEqual([setOf(second)])
  expect(types()).toEqual(['refreshed'])
})

it('has requests of an attempt that was replaced wait for the newer one', async () => {
  const { refresh, loads, keys } = refreshOf(true)
  const before = refresh.start()
  dropDeadlines()
  pass(TIMEOUT + 1)
  const after = refresh.start()
  loads[0]?.resolve(setOf(first))
  expect(await isPending(before)).toBe(true)
  expect(keys()).toEqual([])
  loads[1]?.resolve(setOf(second))
  await Promise.all([before, after])
  expect(keys()).toEqual([second])
})

it('counts a failure once if an attempt was replaced', async () => {
  const { refresh, policy, loads } = refreshOf()
  const before = refresh.start()
  dropDeadlines()
  pass(TIMEOUT + 1)
  const after = refresh.start()
  loads[1]?.reject(new UnavailableError('down'))
  await expect(before).rejects.toThrow(MESSAGE)
  await expect(after).rejects.toThrow(MESSAGE)
  expect(policy.failures).toBe(1)
  expect(types()).toEqual(['failed'])
})

it('counts an attempt as pending until 1 s after its deadline, then as dropped', async () => {
  const { refresh, loads } = refreshOf()
  void refresh.start()
  dropDeadlines()
  pass(TIMEOUT + 0.75)
  expect(refresh.pending).toBeDefined()
  pass(0.25)
  expect(refresh.pending).toBeUndefined()
  void refresh.start()
  expect(loads).toHaveLength(2)
  expect(loads.map(({ signal }) => signal.aborted)).toEqual([true, false])
})

it('aborts an attempt at its deadline, and reports why', async () => {
  const { refresh, policy, loads } = refreshOf()
  const started = refresh.start()
  pass(TIMEOUT - 0.25)
  expect(loads[0]?.signal.aborted).toBe(false)
  pass(0.25)
  const failure = await started.catch((cause) => cause)
  expect(policy.wait).toBeGreaterThan(0)
  expect(failure).toMatchObject({ message: MESSAGE, retryAfter: policy.wait })
  expect(events).toMatchObject([
    { type: 'failed', issuer: ISSUER, cause: { message: `${MESSAGE}: no response in time` }, usableFor: 0 },
  ])
})

it.each([
  [0.25, 1],
  [0.5, 2],
])('after a deadline that it noticed %d s late has made %d attempts', async (late, attempts) => {
  const { refresh, loads } = refreshOf()
  const started = refresh.start()
  freeze(TIMEOUT + late)
  pass(0)
  if (attempts === 1) await expect(started).rejects.toThrow(MESSAGE)
  else expect(await isPending(started)).toBe(true)
  expect(loads).toHaveLength(attempts)
})

it('repeats an attempt only once, even if the process is frozen again', async () => {
  const { refresh, loads } = refreshOf()
  const started = refresh.start()
  freeze(100)
  pass(0)
  expect(await isPending(started)).toBe(true)
  freeze(100)
  pass(0)
  await expect(started).rejects.toThrow(MESSAGE)
  expect(loads).toHaveLength(2)
  expect(types()).toEqual(['failed'])
})

it('uses the set of a repeated attempt', async () => {
  const { refresh, loads, keys } = refreshOf()
  const started = refresh.start()
  freeze(100)
  pass(0)
  expect(await isPending(started)).toBe(true)
  loads[1]?.resolve(setOf(second))
  await started
  expect(keys()).toEqual([second])
})

it('does not start during the backoff, and keeps the keys that it has', async () => {
  const { refresh, policy, loads, keys } = refreshOf()
  const loaded = refresh.start()
  loads[0]?.resolve(setOf(first))
  await loaded
  const failed = refresh.start()
  loads[1]?.reject(new TypeError('fetch failed'))
  await expect(failed).rejects.toMatchObject({
    message: MESSAGE,
    cause: { message: MESSAGE, cause: new TypeError('fetch failed') },
  })
  expect(refresh.mayStart).toBe(false)
  expect(() => refresh.start()).toThrow(MESSAGE)
  expect(keys()).toEqual([first])
  expect(events).toMatchObject([{ type: 'refreshed' }, { type: 'failed', usableFor: 3600 }])
  pass(policy.wait)
  expect(refresh.mayStart).toBe(true)
})

it('asks once more after an old set, which is used meanwhile, and again after 1.5 s at most', async () => {
  const { refresh, loads, keys, accepted } = refreshOf()
  const started = refresh.start()
  loads[0]?.resolve(setOf(first, 599))
  expect(await isPending(started)).toBe(true)
  expect(keys()).toEqual([first])
  expect(loads).toHaveLength(2)
  pass(1.25)
  expect(await isPending(started)).toBe(true)
  pass(0.25)
  await expect(started).rejects.toThrow(MESSAGE)
  expect(keys()).toEqual([first])
  expect(accepted).toEqual([setOf(first, 599)])
  expect(types()).toEqual(['refreshed', 'failed'])
})

it('does not load again after a fresh set from any source', async () => {
  const { refresh, loads, keys } = refreshOf()
  const started = refresh.start()
  loads[0]?.resolve(setOf(first, 419))
  await started
  expect(loads).toHaveLength(1)
  expect(keys()).toEqual([first])
})

it('reports the difference to the set before, and sixteen problems at most', async () => {
  const { refresh, loads } = refreshOf()
  for (const [index, key] of [first, first, second].entries()) {
    const started = refresh.start()
    const problems = Array.from({ length: index * 10 }, (_, at) => `keys[${at}]: not an object`)
    loads[index]?.resolve(setOf(key, 0, problems))
    await started
  }
  const common = { type: 'refreshed', issuer: ISSUER, source: 'issuer', keys: 1 }
  expect(events).toMatchObject([
    { ...common, added: 1, removed: 0, ignored: 0, problems: [] },
    { ...common, added: 0, removed: 0, ignored: 10 },
    { ...common, added: 1, removed: 1, ignored: 20, problems: { length: 16 } },
  ])
})

it('close() aborts the pending attempt, and starts no other, even if the process was frozen', async () => {
  const { refresh, loads } = refreshOf()
  const started = refresh.start()
  freeze(100)
  refresh.close()
  await expect(started).rejects.toMatchObject({ message: MESSAGE, cause: { message: 'The gate is closed' } })
  expect(loads).toHaveLength(1)
  pass(100)
  expect(refresh.mayStart).toBe(false)
  expect(() => refresh.start()).toThrow('The gate is closed')
})

it('pays an allowance back if the set has a new key, and not if it has none', async () => {
  const { refresh, budget, loads } = refreshOf()
  const allowance = budget.allowanceOf('second', undefined)
  for (const [index, { key, wait }] of [
    { key: first, wait: 0 },
    { key: first, wait: 30 },
  ].entries()) {
    while (allowance.tryAcquire());
    const started = refresh.start(allowance)
    loads[index]?.resolve(setOf(key))
    await started
    expect(allowance.wait).toBe(wait)
  }
})

it('lets a known caller try again after a failure that its allowance paid for', async () => {
  const { refresh, budget, loads } = refreshOf()
  const allowance = budget.allowanceOf('second', {})
  expect([allowance.tryAcquire(), allowance.wait]).toEqual([true, 30])
  const started = refresh.start(allowance)
  loads[0]?.reject(new UnavailableError('down'))
  await expect(started).rejects.toThrow(MESSAGE)
  expect(allowance.wait).toBe(0)
})

it('reports removed keys to the budget, so that their tokens are rejected after a minute', async () => {
  const { refresh, budget, loads } = refreshOf()
  for (const [index, key] of [first, second, second].entries()) {
    expect(budget.isWithdrawn('first')).toBe(false)
    const started = refresh.start()
    loads[index]?.resolve(setOf(key))
    await started
    pass(60)
  }
  expect(budget.isWithdrawn('first')).toBe(true)
  expect(budget.isWithdrawn('second')).toBe(false)
})
