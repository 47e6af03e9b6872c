/** The twins of SHA-256: the same digest on every runtime. */

import { expect, it } from 'vitest'
import { sha256 } from '#core/lib/digest.node.ts'
import { sha256 as portable } from '#core/lib/digest.ts'

it('returns the same digest on Node, at once, as on other runtimes', async () => {
  for (const text of ['', 'abc', 'é\u{1F600}', 'a'.repeat(8192)]) {
    expect(typeof sha256(text)).toBe('string')
    expect(await portable(text)).toBe(sha256(text))
  }
  expect(sha256('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
})
