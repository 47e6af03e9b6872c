/** A server that hangs for real tokens and answers garbage: the circuit of known tokens opens (ATK07). */

import { createGate, introspection } from '@bearergate/core'
import { expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { json, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE } from '../support/issuer.ts'

stopClock()

it('opens the circuit of known tokens while the server hangs for them, in spite of a garbage token each 3 s (ATK07)', async () => {
  const server = await startIntrospector(json({ active: true, aud: AUDIENCE, sub: 'emma' }))
  const verifier = introspection({
    endpoint: server.endpoint,
    clientId: 'api',
    clientSecret: 'secret',
    audience: AUDIENCE,
  })
  const gate = createGate({ verifier })
  const status = async (token: string) => {
    const header = (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined)
    const decision = await gate.authenticate({ header })
    return decision.ok ? 200 : decision.status
  }
  const known = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `known-${name}`)
  expect(await Promise.all(known.map(status))).toEqual(Array(6).fill(200))
  pass(10)
  server.reply = (asked, response) => {
    if (!asked.form.get('token')?.startsWith('known')) json({ active: false })(asked, response)
  }
  let asked = server.asked.length
  const wait = async (requests: number) => {
    asked += requests
    await eventually(() => server.asked.length === asked)
  }

  const all = known.map(status)
  await wait(6)
  pass(3)
  expect(await Promise.all(all)).toEqual(Array(6).fill(503))
  expect(await status('garbage-1')).toBe(401)
  asked += 1

  const trial = status('known-a')
  await wait(1)
  pass(3)
  expect(await trial).toBe(503)
  expect(await status('garbage-2')).toBe(401)
  asked += 1

  expect(gate.describe().verifier).toMatchObject({ circuits: { known: 'open', unknown: 'closed' } })
  expect(await Promise.all(known.map(status))).toEqual(Array(6).fill(503))
  expect(server.asked).toHaveLength(asked)
  await server.close()
})
