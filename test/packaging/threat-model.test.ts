/** SECURITY.md names tests for each promise: they exist. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './sources.ts'

const ID = /\b(?:[A-Z]{1,3}\d{2})\b/g

describe('the threat model', () => {
  it('names only ids that a test title has', () => {
    const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
      .map((file) => readFileSync(join(ROOT, 'test', file), 'utf8'))
      .join('\n')
    const named = new Set(readFileSync(join(ROOT, 'SECURITY.md'), 'utf8').match(ID))
    expect(named.size).toBeGreaterThan(30)
    expect([...named].filter((id) => !new RegExp(`\\b${id}\\b`).test(tests))).toEqual([])
  })
})
