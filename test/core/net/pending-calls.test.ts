/** Calls with a deadline, which end when their owner closes. */

import { UnavailableError } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { PendingCalls } from '#core/net/pending-calls.ts'
import { pass, pendingDeadlines, stopClock } from '../../support/clock.ts'
import { isPending } from '../../support/pending.ts'

stopClock()

/** A call that rejects as soon as its signal aborts. */
const hanging = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('a pending call', () => {
  it('is aborted after the deadline with an UnavailableError', async () => {
    const call = new PendingCalls(3, 'too late').run(hanging)
    pass(2.75)
    expect(await isPending(call)).toBe(true)
    const rejected = expect(call).rejects.toThrow(new UnavailableError('too late'))
    pass(0.25)
    await rejected
  })

  it('is not aborted once it has ended', async () => {
    const calls = new PendingCalls(3, 'too late')
    let signal: AbortSignal | undefined
    const result = await calls.run((given) => {
      signal = given
      return 'done'
    })
    pass(3)
    calls.close()
    expect([result, signal?.aborted]).toEqual(['done', false])
  })

  it('has a deadline of its own', async () => {
    const calls = new PendingCalls(3, 'too late')
    const first = calls.run(hanging)
    pass(1)
    const second = calls.run(hanging)
    expect(pendingDeadlines()).toEqual([2, 3])
    const rejected = expect(first).rejects.toThrow('too late')
    pass(2)
    await rejected
    expect(await isPending(second)).toBe(true)
    calls.close()
    await expect(second).rejects.toThrow('The gate is closed')
  })
})

it('close() aborts all pending calls, and later ones are not made', async () => {
  const calls = new PendingCalls(3, 'too late')
  expect(calls.isClosed).toBe(false)
  const pending = [calls.run(hanging), calls.run(hanging)]
  calls.close()
  for (const call of pending) await expect(call).rejects.toThrow(new UnavailableError('The gate is closed'))
  let isMade = false
  const later = calls.run(() => {
    isMade = true
  })
  await expect(later).rejects.toThrow('The gate is closed')
  expect([calls.isClosed, isMade]).toEqual([true, false])
})
