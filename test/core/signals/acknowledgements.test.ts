/** The outcomes of tokens that wait for the next poll. */

import { describe, expect, it } from 'vitest'
import { Acknowledgements } from '#core/signals/acknowledgements.ts'
import type { Outcome } from '#core/signals/event-handler.ts'

const ACCEPTED: Outcome = { status: 'accepted', isRepeated: false }
const REJECTED: Outcome = { status: 'rejected', reason: { error: 'invalid_key', description: 'd' } }
const ERROR = { err: 'invalid_key', description: 'd' }

describe('acknowledgements', () => {
  it('have one outcome for each token, the newest one', () => {
    const all = new Acknowledgements()
    for (const [name, outcome] of [
      ['a', REJECTED],
      ['a', ACCEPTED],
      ['b', ACCEPTED],
      ['b', REJECTED],
    ] as const)
      expect(all.add(name, outcome)).toBe(true)
    expect(all.take()).toEqual({ ack: ['a'], setErrs: { b: ERROR } })
    expect([all.isEmpty, all.take()]).toEqual([true, { ack: [], setErrs: {} }])
  })

  it('keep newer outcomes when those of a failed poll come back', () => {
    const all = new Acknowledgements()
    for (const [name, outcome] of [
      ['a', REJECTED],
      ['b', ACCEPTED],
      ['c', ACCEPTED],
      ['d', REJECTED],
    ] as const)
      all.add(name, outcome)
    const failed = all.take()
    all.add('a', ACCEPTED)
    all.add('b', REJECTED)
    all.restore(failed)
    expect(all.take()).toEqual({ ack: ['a', 'c'], setErrs: { b: ERROR, d: ERROR } })
  })

  it('have none for a token that could not be checked or stored', () => {
    const all = new Acknowledgements()
    expect(all.add('a', { status: 'unavailable', cause: new Error('down') })).toBe(false)
    expect(all.isEmpty).toBe(true)
  })
})
