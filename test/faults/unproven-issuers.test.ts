/** Made-up issuers at a function that trusts a pattern: real tenants are added all the same (ATK16). */

import { createGate, type Gate, type IssuerOptions, multiIssuerJwt } from '@bearergate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { pass, stopClock } from '../support/clock.ts'
import { outcome, requestWith, unsignedToken } from '../support/forge.ts'
import { AUDIENCE, createKey, NOW, type TestKey } from '../support/issuer.ts'

stopClock()
let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})

const tenant = (name: string) => `https://${name}.example.org`

/** A gate whose function trusts every issuer. */
function gateOf(max: number): Gate {
  const resolve = (issuer: string) =>
    ({ issuer, audience: AUDIENCE, keys: { keys: [key.jwk] } }) as IssuerOptions
  return createGate({ verifier: multiIssuerJwt(resolve, { max, ttl: 86_400, cache: false }) })
}

let number = 0
async function ask(gate: Gate, name: string): Promise<string> {
  number += 1
  return outcome(gate, await key.sign({ iss: tenant(name), jti: `t${number}`, exp: NOW + 864_000 }))
}

/** An unsigned token of an issuer, by default of a made-up one. */
function unsigned(name?: string): string {
  number += 1
  const iss = tenant(name ?? `made-up-${number}`)
  return unsignedToken({ kid: key.kid }, { iss, exp: NOW + 864_000 })
}

describe('made-up issuers', () => {
  it.each([
    [4, 2],
    [10, 2],
    [100, 2],
    [100, 100],
  ])(
    'with "max" %d, %d a second, leave each tenant added at its second request (ATK16)',
    async (max, rate) => {
      const gate = gateOf(max)
      // A burst uses up the allowance.
      for (let time = 0; time < 2 * max; time += 1) await outcome(gate, unsigned())
      for (let index = 0; index < max; index += 1) {
        const answers: string[] = []
        for (let second = 0; second < 2; second += 1) {
          for (let time = 0; time < rate; time += 1) await outcome(gate, unsigned())
          answers.push(await ask(gate, `tenant-${index}`))
          pass(1)
        }
        expect(answers[1]).toBe('ok')
      }
      // Whoever is proven stays so.
      for (let index = 0; index < max; index += 1) expect(await ask(gate, `tenant-${index}`)).toBe('ok')
    },
  )

  it('made-up issuers can use the reserve for returning issuers only by returning, too (ATK16)', async () => {
    const gate = gateOf(8)
    const madeUp = Array.from({ length: 20 }, (_, index) => unsigned(`again-${index}`))
    const send = () => Promise.all(madeUp.map((token) => outcome(gate, token)))
    const added = (answers: readonly string[]) =>
      answers.filter((answer) => answer === '401 invalid_signature').length
    expect(added(await send())).toBe(8)
    expect(added(await send())).toBe(8)
    pass(1)
    // A quarter of 8 more.
    expect(added(await send())).toBe(8 + 2)
    expect(await ask(gate, 'tenant')).toBe('503 unavailable')
    pass(60)
    expect(await ask(gate, 'tenant')).toBe('ok')
  })

  it('Retry-After says when one more issuer can be added (ATK16)', async () => {
    const gate = gateOf(2)
    for (let time = 0; time < 2; time += 1) await outcome(gate, unsigned())
    const decision = await gate.authenticate(requestWith(unsigned()))
    expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '30' } })
  })
})

describe('the first verified token of a tenant', () => {
  it('the first verified token pays the allowance of its tenant back: "max" tenants, and then "max" made-up issuers, are added at once (ATK16)', async () => {
    const gate = gateOf(5)
    for (let index = 0; index < 5; index += 1) expect(await ask(gate, `tenant-${index}`)).toBe('ok')
    const answers: string[] = []
    for (let index = 0; index < 6; index += 1) answers.push(await outcome(gate, unsigned()))
    expect(answers).toEqual([...Array(5).fill('401 invalid_signature'), '503 unavailable'])
  })

  it('the first verified token pays nothing back if its tenant evicts another one (ATK16)', async () => {
    const gate = gateOf(5)
    for (let index = 0; index < 5; index += 1) await ask(gate, `tenant-${index}`)
    const answers: string[] = []
    for (let index = 5; index < 12; index += 1) answers.push(await ask(gate, `tenant-${index}`))
    expect(answers).toEqual([...Array(5).fill('ok'), '503 unavailable', '503 unavailable'])
  })

  it('only the first verified token of a tenant pays its allowance back (ATK16)', async () => {
    const gate = gateOf(5)
    for (let time = 0; time < 20; time += 1) expect(await ask(gate, 'tenant')).toBe('ok')
    const answers: string[] = []
    for (let index = 0; index < 6; index += 1) answers.push(await outcome(gate, unsigned()))
    expect(answers).toEqual([...Array(5).fill('401 invalid_signature'), '503 unavailable'])
  })
})
