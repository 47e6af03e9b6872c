/** The ids in test titles have a line in test/REQUIREMENTS.md, and its lines are used. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { filesBelow, ROOT } from './sources.ts'

const ID = /\b(?:FIELD-HELD-|ATK|BI|FX|LD|[A-Q])\d{2}\b/g
const ROW = /^\| (\S+) +\| (\S.*?) +\|$/gm

const tests = join(ROOT, 'test')

/** Files that hold titles, or tables of them. The sample below is no title. */
const files = filesBelow(tests).filter(
  (path) =>
    path.endsWith('.ts') &&
    path !== 'packaging/requirements.test.ts' &&
    !/(?:^|\/)(?:bench|node_modules|made-[^/]*)\//.test(path),
)

/** Returns the ids outside of comments. In code they stand in strings only, which are titles or become a part of one. */
function idsIn(text: string): readonly string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(?<=^|\s)\/\/.*$/gm, '')
  return code.match(ID) ?? []
}

const rows = [...readFileSync(join(tests, 'REQUIREMENTS.md'), 'utf8').matchAll(ROW)]
  .map(([, id = '', sentence = '']) => ({ id, sentence }))
  .filter(({ id }) => id !== 'id' && !/^-+$/.test(id))

const used = new Map<string, string>()
for (const path of files) for (const id of idsIn(readFileSync(join(tests, path), 'utf8'))) used.set(id, path)

describe('the list of requirements', () => {
  it('explains each id in a test title', () => {
    const explained = new Set(rows.map(({ id }) => id))
    expect([...used].filter(([id]) => !explained.has(id)).map(([id, path]) => `${id} in ${path}`)).toEqual([])
  })

  it('explains no id that no test title has', () => {
    expect(rows.map(({ id }) => id).filter((id) => !used.has(id))).toEqual([])
  })

  it('explains each id once, in one sentence', () => {
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
    expect(rows.filter(({ sentence }) => !/^[A-Z].*\.$/.test(sentence))).toEqual([])
    expect(rows.filter(({ id }) => id.match(ID)?.[0] !== id)).toEqual([])
  })

  it('is found by a search that ignores comments', () => {
    expect(
      idsIn("/** A01 */\n// B01\nit('C01 D01 verifies', () => {}) // E01\nconst url = 'https://F01'"),
    ).toEqual(['C01', 'D01', 'F01'])
  })
})
