/** The background work of many issuers behind one gate: found while it is pending, and without a look at each issuer. */

import { createGate, type Gate, type IssuerOptions, type JwksStore, multiIssuerJwt } from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { JwtVerifier } from '#core/verify/jwt/jwt.ts'
import { dropDeadlines, eventually, pass, stopClock } from '../support/clock.ts'
import { outcome } from '../support/forge.ts'
import { AUDIENCE, createKey, NOW, type TestKey } from '../support/issuer.ts'
import { isPending } from '../support/pending.ts'

stopClock()
let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})
afterEach(() => void vi.restoreAllMocks())

const tenant = (index: number) => `https://${index}.example.org`

let number = 0
const tokenOf = (index: number) => {
  number += 1
  return key.sign({ iss: tenant(index), jti: `t${number}`, exp: NOW + 864_000 })
}

/** The answers of the issuers that are pending. They come when a test calls them. */
let answers: (() => void)[]
let isHeld: boolean
beforeEach(() => {
  answers = []
  isHeld = false
})

function optionsOf(issuer: string, more: Partial<IssuerOptions> = {}): IssuerOptions {
  const fetch = async () => {
    if (isHeld) await new Promise<void>((resolve) => answers.push(resolve))
    return Response.json({ keys: [key.jwk] })
  }
  return { issuer, audience: AUDIENCE, jwksUri: `${issuer}/keys`, fetch, ...more } as IssuerOptions
}

const KINDS = [
  [
    'a list',
    (count: number, more: object = {}) =>
      createGate({
        verifier: multiIssuerJwt(Array.from({ length: count }, (_, index) => optionsOf(tenant(index), more))),
      }),
  ],
  [
    'a function',
    (count: number, more: object = {}) =>
      createGate({
        verifier: multiIssuerJwt((issuer) => optionsOf(issuer, more), { max: count, ttl: 86_400 }),
      }),
  ],
] as const

/** The work that a request without a token hands to its runtime, which is all that is pending. */
async function pendingWork(gate: Gate): Promise<Promise<unknown>[]> {
  const work: Promise<unknown>[] = []
  const waitUntil = (one: PromiseLike<unknown>) => void work.push(Promise.resolve(one))
  await gate.authenticate({ header: () => undefined }, { waitUntil })
  return work
}

describe.each(KINDS)('the background work of %s of issuers', (_, gateOf) => {
  it('costs a request nothing for issuers without any (ATK16)', async () => {
    const gate = gateOf(500)
    for (let index = 0; index < 500; index += 1) expect(await outcome(gate, await tokenOf(index))).toBe('ok')
    const looks = vi.spyOn(JwtVerifier.prototype, 'backgroundWork', 'get')
    expect(await pendingWork(gate)).toEqual([])
    expect(looks).not.toHaveBeenCalled()
  })

  it.each(['new', 'cached'])(
    'is found if a %s token begins a refresh, until that has ended',
    async (kind) => {
      const gate = gateOf(20)
      const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => tokenOf(index)))
      for (const token of tokens) expect(await outcome(gate, token)).toBe('ok')
      pass(550)
      isHeld = true
      for (const index of [3, 7])
        expect(await outcome(gate, kind === 'new' ? await tokenOf(index) : (tokens[index] as string))).toBe(
          'ok',
        )
      await eventually(() => answers.length === 2)
      const [work, ...more] = await pendingWork(gate)
      expect(more).toEqual([])
      expect(await isPending(work as Promise<unknown>)).toBe(true)
      answers[0]?.()
      expect(await isPending(work as Promise<unknown>)).toBe(true)
      answers[1]?.()
      await work
      expect(await pendingWork(gate)).toEqual([])
    },
  )

  it('is found while a store keeps the keys that a request waited for', async () => {
    let kept = () => {}
    const jwksStore: JwksStore = {
      get: () => undefined,
      set: () =>
        new Promise<void>((resolve) => {
          kept = resolve
        }),
    }
    const gate = gateOf(20, { jwksStore })
    expect(await outcome(gate, await tokenOf(3))).toBe('ok')
    const [work] = await pendingWork(gate)
    expect(await isPending(work as Promise<unknown>)).toBe(true)
    kept()
    await work
    expect(await pendingWork(gate)).toEqual([])
  })

  it('is found again after a runtime ended the request that began it', async () => {
    const gate = gateOf(3)
    expect(await outcome(gate, await tokenOf(1))).toBe('ok')
    pass(550)
    isHeld = true
    expect(await outcome(gate, await tokenOf(1))).toBe('ok')
    await eventually(() => answers.length === 1)
    dropDeadlines()
    expect(await pendingWork(gate)).toHaveLength(1)
    pass(10)
    expect(await pendingWork(gate)).toEqual([])
    expect(await outcome(gate, await tokenOf(1))).toBe('ok')
    await eventually(() => answers.length === 2)
    const [work] = await pendingWork(gate)
    answers[1]?.()
    await work
    expect(await pendingWork(gate)).toEqual([])
  })
})

it('the background work of ready() is found by a request meanwhile', async () => {
  isHeld = true
  const gate = KINDS[0][1](2)
  const ready = gate.ready()
  await eventually(() => answers.length === 2)
  const [work] = await pendingWork(gate)
  expect(await isPending(work as Promise<unknown>)).toBe(true)
  for (const answer of answers) answer()
  await Promise.all([ready, work])
  expect(await pendingWork(gate)).toEqual([])
})
