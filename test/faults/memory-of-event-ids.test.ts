/** The ids of event tokens that a receiver remembers are short, even if those in the tokens are long. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { securityEvents } from '@bearergate/core/signals'
import { expect, it } from 'vitest'
import { signEvent } from '../support/event-token.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../support/issuer.ts'

it('1,000 event tokens with ids of 40 KB leave less than 10 MB in the memory of a receiver', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const used = () => {
    for (let turn = 0; turn < 4; turn += 1) gc()
    return process.memoryUsage().heapUsed
  }
  const key = await createKey('ES256')
  const receiver = securityEvents({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [key.jwk] } as never,
    now: () => NOW * 1000,
    gate: { revoke: async () => {} },
  })
  const post = async (jti: string) => {
    const body = await signEvent(key, { jti })
    return (await receiver.receive({ contentType: 'application/secevent+jwt', body })).status
  }
  await post('warm')
  const before = used()
  for (let index = 0; index < 1_000; index += 1) expect(await post(`${index}`.padEnd(40_000, 'j'))).toBe(202)
  expect(used() - before).toBeLessThan(10_000_000)
  // The receiver is still in use, so what it remembers was counted.
  expect(await post('last')).toBe(202)
})
