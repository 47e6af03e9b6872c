/** The documentation is complete and leads to places that exist. */

import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GATE_OPTIONS } from '#core/gate/options.ts'
import { REASONS } from '#core/model/rejection.ts'
import { TABLES } from '../support/scale.ts'
import { exists, PAGES, pageAt } from './pages.ts'
import { ROOT } from './sources.ts'

const docs = PAGES.filter(({ path }) => path.startsWith('packages/core/docs/'))

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)
  return new Set(
    [...headings].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

function linksOf(text: string): readonly string[] {
  const prose = text.replaceAll(/^```.*?^```/gms, '')
  return [...prose.matchAll(/\]\(([^)\s]+)/g)].map(([, link = '']) => link)
}

describe('the pages', () => {
  it.each(PAGES)('link to files and headings that exist: $path', ({ path, text }) => {
    const dead = linksOf(text).filter((link) => {
      if (/^https?:/.test(link)) return false
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : posix.join(posix.dirname(path), file)
      if (!exists(target)) return true
      return anchor !== undefined && !anchorsOf(readFileSync(ROOT + target, 'utf8')).has(anchor)
    })
    expect(dead).toEqual([])
  })

  it('have code that is compiled or run in a shell, and no other', () => {
    const languages = PAGES.flatMap(({ path, text }) =>
      [...text.matchAll(/^```([^\n]*)\n.*?^```$/gms)].map(([, language]) => `${path} ${language}`),
    )
    // The code of the page about CommonJS is run by commonjs.test.ts, and recipes with their files by recipes.test.ts.
    const isChecked = (entry: string) =>
      / (?:ts|sh)$/.test(entry) || /^CONTRIBUTING\.md|\/commonjs-and-jest\.md|\/recipes\/.* yaml$/.test(entry)
    expect(languages.filter((entry) => !isChecked(entry))).toEqual([])
  })

  it('are all in the table of packages/core/README.md, or of docs/recipes.md', () => {
    const listed = linksOf(pageAt('packages/core/README.md').text)
    const recipes = linksOf(pageAt('packages/core/docs/recipes.md').text).map((link) => `docs/${link}`)
    expect(
      docs
        .map(({ path }) => path.replace('packages/core/', ''))
        .filter((path) => !(path.startsWith('docs/recipes/') ? recipes : listed).includes(path)),
    ).toEqual([])
  })
})

describe('the reference', () => {
  it('lists every option of createGate', () => {
    const { text } = pageAt('packages/core/docs/options.md')
    expect(GATE_OPTIONS.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })

  it('explains every reason', () => {
    const { text } = pageAt('packages/core/docs/errors.md')
    const explained = [...text.matchAll(/^\| `(\w+)` +\| \d{3} /gm)].map(([, name]) => name)
    expect(explained).toEqual([...REASONS, 'unavailable', 'preflight'])
  })
})

describe('the figures', () => {
  const read = (path: string) => readFileSync(ROOT + path, 'utf8')
  const measured = `${read('test/bench/RESULTS.md')}${read('test/bench/node-24/RESULTS.md')}`

  /** The table between two markers, without the spaces that align columns. */
  const between = (text: string, marker: string) =>
    plain(
      text.slice(
        text.indexOf(`<!-- ${marker} -->`) + `<!-- ${marker} -->`.length,
        text.indexOf(`<!-- /${marker} -->`),
      ),
    )
  const plain = (table: string) => table.replaceAll(/-{3,}/g, '---').replaceAll(/\s+/g, ' ').trim()

  it.each(['README.md', 'packages/core/docs/performance.md'])('in %s are those of RESULTS.md', (path) => {
    const { text } = pageAt(path)
    const figures = text.match(/\b\d+\.\d\d\b|\b\d+ %/g) ?? []
    expect(figures.length).toBeGreaterThan(5)
    // "30 % and more" is no figure but a rule of thumb, and "Node 20.19" a version.
    const others = ['30 %', '20.19']
    expect(figures.filter((figure) => !others.includes(figure) && !measured.includes(figure))).toEqual([])
  })

  it('in docs/comparison.md are those of STATUS.md', () => {
    const status = read('test/bench/STATUS.md')
    for (const marker of ['answers', 'key-sources']) {
      expect(between(status, marker)).toContain('bearergate')
      expect(between(pageAt('packages/core/docs/comparison.md').text, marker)).toBe(between(status, marker))
    }
  })

  it.each(Object.entries(TABLES))('in docs/scale.md are those of the formulas: %s', (marker, table) => {
    expect(between(pageAt('packages/core/docs/scale.md').text, marker)).toBe(plain(table))
  })
})
