/** What hangs on a request lives no longer than the request. Needs the garbage collector of Node. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createSlot } from '../../packages/core/src/lib/slot.ts'

it('a slot does not keep an object to which its value refers', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const slot = createSlot<{ readonly object: object }>()
  const create = () => {
    const object = {}
    slot.set(object, { object })
    return new WeakRef(object)
  }
  const refs = Array.from({ length: 100 }, create)
  // A reference that was just created is kept until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve))
  gc()
  expect(refs.filter((ref) => ref.deref() !== undefined)).toEqual([])
})
