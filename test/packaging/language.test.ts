/** The prose of pages, source and test titles is plain, modern English: it has none of the words that hide who does what. */

import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PAGES, proseOf } from './pages.ts'
import { commentShare, filesBelow, PACKAGES, ROOT, sourcesOf } from './sources.ts'

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

/** What titles of tests do not say in addition. */
const WORDS_OF_TITLES: typeof WORDS = [
  [/\b(?:strangers?|told|hears?|heard|judges?|judged)\b/i, 'unknown callers; receives; checks'],
  [/\brefuse[sd]?\b(?! connections)/i, 'rejects'],
  [/\bwhere\b/i, 'if'],
  [/\btakes? [^,:]+ for (?:an?|no|what|nothing)\b/i, 'counts as'],
  [/^(?:[A-Z]{1,5}\d\d )/, 'ids at the end of the title'],
]

/** How the first sentence of a docstring must not begin. */
const BEGINNINGS = /\/\*\*\s+(?:\* )?(?:What(?:ever)?|Who(?:ever)?|Where|Has|Told|Asked)\b/

/** `line: words` of everything that should be written in another way. A space also matches the line break of a comment. */
function problemsOf(text: string, patterns: readonly RegExp[]): readonly string[] {
  return patterns.flatMap(({ source, flags }) =>
    [
      ...text.matchAll(new RegExp(source.replaceAll(' ', String.raw`(?:\s|\n\s*\*|\n\s*//)+`), `${flags}g`)),
    ].map(({ 0: words, index }) => `${text.slice(0, index).split('\n').length}: ${words}`),
  )
}

const PATTERNS = WORDS.map(([pattern]) => pattern)
const PATTERNS_OF_TITLES = [...PATTERNS, ...WORDS_OF_TITLES.map(([pattern]) => pattern)]

/** The literals before a function in the calls of `it`, `test`, `describe` and their `each`. */
const TITLE =
  /^ *(?:(?:it|test|describe)\b.*|\]?.*\)|)\(?\s*(['"`])((?:\\.|(?!\1).)+)\1,(?=\s+(?:async )?\()/gm

/** Returns the titles in a file of tests, without the expressions in templates. */
function titlesOf(text: string): readonly string[] {
  return [...text.matchAll(TITLE)].map(({ 2: title = '' }) => title.replaceAll(/\$\{[^}]*\}/g, ''))
}

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

  it.each([...folders])('is plain: %s', (_, problems) => {
    expect(problems).toEqual([])
  })
})

describe('the titles of tests', () => {
  const folder = `${ROOT}test`
  const files = filesBelow(folder).filter(
    (path) =>
      path.endsWith('.test.ts') && !/(?:^|\/)(?:node_modules|made-[^/]*)\/|^packaging\/language/.test(path),
  )

  it('are plain, with ids at their ends', () => {
    const problems = files.flatMap((path) =>
      titlesOf(readFileSync(`${folder}/${path}`, 'utf8')).flatMap((title) =>
        problemsOf(title, PATTERNS_OF_TITLES).map((problem) => `${path} "${title}": ${problem}`),
      ),
    )
    expect(problems).toEqual([])
  })

  it('are found in calls, in rows of tables and in templates', () => {
    const text = [
      "it('accepts a token', async () => {",
      "it.each([1, 2])('rejects %i', (n) => {",
      "  ])('answers %s', async (_, value) => {",
      '    it(`reads a name`, () => {',
      "describe('a gate', () => {",
      "  const name = other('no title')",
    ]
    expect(titlesOf(text.join('\n'))).toEqual([
      'accepts a token',
      'rejects %i',
      'answers %s',
      'reads a name',
      'a gate',
    ])
  })
})

describe('the comments of the core', () => {
  const LEAST_SHARE = 0.25

  it('are a share of its lines that does not shrink', () => {
    expect(commentShare(sourcesOf('core'))).toBeGreaterThanOrEqual(LEAST_SHARE)
  })

  it('are counted by lines, without blank ones', () => {
    const text = '/** One.\n * Two. */\n\nconst a = 1 // not a line of its own\n// three\nconst b = 2\n'
    const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(?<=^|\s)\/\/.*$/gm, '')
    expect(commentShare([{ text, code }])).toBe(3 / 5)
  })
})
