/** The prose of the pages and of the source is plain, modern English: it has none of the words that hide who does what. */

import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PAGES, proseOf } from './pages.ts'
import { commentShare, PACKAGES, ROOT, sourcesOf } from './sources.ts'

/** What we do not write, and what to write instead. */
const WORDS: readonly (readonly [RegExp, instead: string])[] = [
  [/\b(?:nobody|somebody|anybody)\b/i, 'name the gate, verifier, issuer, client or handler'],
  [/\b(?:whoever|whatever|wherever)\b/i, 'name the actor or the thing, or write "any"'],
  [/\bown affair\b/i, 'say who decides'],
  [/\banew\b/i, 'again'],
  [/\bat hand\b/i, 'available, cached'],
  [/\bunder way\b/i, 'pending'],
  [/\bso (?:long|many)\b/i, 'until; for up to n seconds; this many'],
  [/\b(?:told|asked) of\b/i, 'called with; required'],
  [/\bcannot be had\b/i, 'failed to fetch'],
  [/\bone's own\b/i, 'your own'],
  // "Where" as a place is fine: "where the token was found".
  [/@throws \w+ where\b/, 'if'],
  [
    /\bwhere (?:there (?:is|are|was)|no(?:ne|thing|body)?|one is|(?:it|that|this) (?:is given|may|can|cannot|does|has))\b/i,
    'if',
  ],
]

/** How the first sentence of a docstring must not begin. */
const BEGINNINGS = /\/\*\*\s+(?:\* )?(?:What(?:ever)?|Whoever|Where|Has|Told|Asked)\b/

/** Folders of `packages/<package>/src` whose prose is still to be rewritten. Remove a folder when it is done. */
const TODO: readonly string[] = [
  'core',
  'core/authorize',
  'core/gate',
  'core/hosts/lambda',
  'core/net',
  'core/state',
  'core/verify',
  'core/verify/introspection',
  'core/verify/jwt',
  'core/verify/keys',
  'core/verify/opaque',
  'express',
  'koa',
]

/** `line: words` of everything that should be written in another way. A space also matches the line break of a comment. */
function problemsOf(text: string, patterns: readonly RegExp[]): readonly string[] {
  return patterns.flatMap(({ source, flags }) =>
    [
      ...text.matchAll(new RegExp(source.replaceAll(' ', String.raw`(?:\s|\n\s*\*|\n\s*//)+`), `${flags}g`)),
    ].map(({ 0: words, index }) => `${text.slice(0, index).split('\n').length}: ${words}`),
  )
}

const PATTERNS = WORDS.map(([pattern]) => pattern)

describe('the check itself', () => {
  it.each([
    'Nobody waits for it',
    'what is at\n   * hand',
    'an answer so long in coming',
    '@throws TypeError where an option is unknown',
    'the audience where no other is given',
    'Where it may not pass, it is answered',
  ])('finds "%s"', (text) => {
    expect(problemsOf(text, PATTERNS)).toHaveLength(1)
  })

  it.each(['where the token was found', 'the page says where keys are', 'as long as the keys are fresh'])(
    'allows "%s"',
    (text) => {
      expect(problemsOf(text, PATTERNS)).toEqual([])
    },
  )

  it('finds a docstring that begins without a verb', () => {
    expect(problemsOf('/** What is kept. */', [BEGINNINGS])).toHaveLength(1)
    expect(problemsOf('/**\n * Told of failures. */', [BEGINNINGS])).toHaveLength(1)
    expect(problemsOf('/** Keeps results. What is kept is frozen. */', [BEGINNINGS])).toEqual([])
  })
})

describe('the pages', () => {
  const results = ['test/bench/RESULTS.md', 'test/bench/STATUS.md'].map((path) => ({
    path,
    text: readFileSync(ROOT + path, 'utf8'),
  }))

  it.each([...PAGES, ...results])('are plain: $path', (page) => {
    // The feature table names tests by their titles.
    const text = proseOf(page).replaceAll(/(\(\S+) ".*?"\)/g, '$1)')
    expect(problemsOf(text, PATTERNS)).toEqual([])
  })
})

describe('the source', () => {
  const folders = new Map<string, string[]>()
  for (const name of PACKAGES)
    for (const { path, text } of sourcesOf(name)) {
      const folder = dirname(path) === '.' ? name : `${name}/${dirname(path)}`
      const problems = problemsOf(text, [...PATTERNS, BEGINNINGS])
      folders.set(folder, [
        ...(folders.get(folder) ?? []),
        ...problems.map((problem) => `${path}:${problem}`),
      ])
    }

  it.each([...folders].filter(([folder]) => !TODO.includes(folder)))('is plain: %s', (_, problems) => {
    expect(problems).toEqual([])
  })

  it('has every folder that is still to be rewritten', () => {
    expect(TODO.filter((folder) => !folders.has(folder))).toEqual([])
  })
})

describe('the comments of the core', () => {
  /** The goal is 0.25. Raise this when the share has grown. */
  const LEAST_SHARE = 0.18

  it('are a share of its lines that does not shrink', () => {
    expect(commentShare(sourcesOf('core'))).toBeGreaterThanOrEqual(LEAST_SHARE)
  })

  it('are counted by lines, without blank ones', () => {
    const text = '/** One.\n * Two. */\n\nconst a = 1 // not a line of its own\n// three\nconst b = 2\n'
    const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(?<=^|\s)\/\/.*$/gm, '')
    expect(commentShare([{ text, code }])).toBe(3 / 5)
  })
})
