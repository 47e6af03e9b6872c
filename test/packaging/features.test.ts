/** Every "yes" of the feature table points to a test that is there. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './sources.ts'

const page = readFileSync(join(ROOT, 'packages/core/FEATURES.md'), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => /^\| \d+ /.test(line))
  .map((line) => line.split(' | ').map((cell) => cell.trim()))

describe('the feature table', () => {
  it('the feature table has 83 rows, each with an entry of bearergate', () => {
    expect(rows.map(([number]) => Number(number?.replace('| ', '')))).toEqual(
      Array.from({ length: 83 }, (_, index) => index + 1),
    )
  })

  it.each(rows.map(([number, feature, ours]) => [`${number} ${feature}`, ours ?? '']))('%s', (_, ours) => {
    if (ours === '–') return
    const [, path = '', title = ''] = /^\[[^\]]+\]\(\.\.\/\.\.\/(\S+) "(.*)"\)$/.exec(ours) ?? []
    expect(existsSync(join(ROOT, path)), path).toBe(true)
    expect(title.length).toBeGreaterThan(3)
    expect(readFileSync(join(ROOT, path), 'utf8')).toContain(title.replaceAll('&quot;', '"'))
  })
})
