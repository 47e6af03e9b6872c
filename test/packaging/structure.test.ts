/** The rules of the house: which module may import which, and what stands in one place only. */

import { builtinModules } from 'node:module'
import { describe, expect, it } from 'vitest'
import { codeLines, importsOf, PACKAGES, packageOf, type Source, sourcesOf } from './sources.ts'

/**
 * The folders of the core from top to bottom. Imports point down, or stay within a folder. The stages of a request are in
 * one line: none imports another.
 */
const RANKS = [
  ['index.ts', 'adapter.ts', 'node.ts', 'explain.ts'],
  ['hosts/', 'signals/'],
  ['presets/'],
  ['gate/'],
  ['extract/', 'verify/', 'prove/', 'authorize/', 'answer/'],
  ['state/'],
  ['observe/'],
  ['net/'],
  ['request/'],
  ['model/'],
  ['lib/'],
] as const

/** How many lines of code a module may have: one that has more contains more than one idea. */
const MAX_LINES = 180
const MAX_MEDIAN_LINES = 70

const core = sourcesOf('core')
const adapters = [
  { name: 'express', sources: sourcesOf('express') },
  { name: 'koa', sources: sourcesOf('koa') },
] as const

/** A path's unit: the folder at the top, or the file itself. */
function unitOf(path: string): string {
  return path.replace(/\/.*/, '/')
}

function layerOf(path: string): number {
  const unit: string = unitOf(path)
  return RANKS.findIndex((units) => (units as readonly string[]).includes(unit))
}

function isInternal(specifier: string): boolean {
  return specifier.endsWith('.ts')
}

function isBuiltin(specifier: string): boolean {
  if (isInternal(specifier)) return false // Such as `net/semaphore.ts`, which is not Node's `net`.
  return specifier.startsWith('node:') || builtinModules.includes(packageOf(specifier))
}

/** The files whose code matches, each as often as it does. */
function filesWith(pattern: RegExp): string[] {
  return core.flatMap(({ path, code }) => [...code.matchAll(pattern)].map(() => path))
}

function filesImporting(name: string): string[] {
  return core
    .filter(({ imports }) => imports.some((found) => packageOf(found) === name))
    .map(({ path }) => path)
}

/** The first circle of imports, type imports included, as `a → b → a`. */
function findCycle(sources: readonly Pick<Source, 'path' | 'imports'>[]): string | undefined {
  const imports = new Map(sources.map((source) => [source.path, source.imports]))
  const done = new Set<string>()
  function visit(path: string, trail: readonly string[]): string | undefined {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path].join(' → ')
    if (done.has(path)) return undefined
    for (const next of imports.get(path) ?? []) {
      const cycle = visit(next, [...trail, path])
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const { path } of sources) {
    const cycle = visit(path, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

describe('the check itself', () => {
  it('finds every kind of import', () => {
    const code = `import a from './a.ts'
      import { type B } from "../b.ts"
      import type {
        C,
      } from './c/c.ts'
      export { d } from './d.ts'
      export * from './e.ts'
      import './f.ts'
      const g = await import('node:g')
      type H = import('./h.ts').H`
    const found = ['x/a.ts', 'b.ts', 'x/c/c.ts', 'x/d.ts', 'x/e.ts', 'x/f.ts', 'node:g', 'x/h.ts']
    expect(importsOf(code, 'x/y.ts')).toEqual(found)
  })

  it('finds a circle', () => {
    const sources = [
      { path: 'a', imports: ['b'] },
      { path: 'b', imports: ['c', 'd'] },
      { path: 'c', imports: [] },
      { path: 'd', imports: ['b'] },
    ]
    expect(findCycle(sources)).toBe('b → d → b')
    expect(findCycle(sources.slice(0, 3))).toBeUndefined()
  })
})

describe('the core', () => {
  it('has a place in the layers for each of its modules, and no other place', () => {
    expect(core.map(({ path }) => path).filter((path) => layerOf(path) === -1)).toEqual([])
    const units = new Set(core.map(({ path }) => unitOf(path)))
    expect([...units].sort()).toEqual(RANKS.flat().sort())
  })

  it('imports only what exists', () => {
    const paths = new Set(core.map(({ path }) => path))
    const missing = core.flatMap(({ imports }) =>
      imports.filter((found) => isInternal(found) && !paths.has(found)),
    )
    expect(missing).toEqual([])
  })

  for (const { path, imports } of core)
    it(`${path} imports from lower layers, or from its own folder`, () => {
      const upwards = imports
        .filter(isInternal)
        .filter((found) => layerOf(found) <= layerOf(path))
        .filter((found) => !(unitOf(found).endsWith('/') && unitOf(found) === unitOf(path)))
      expect(upwards).toEqual([])
    })

  it('has no circle of imports, type imports included', () => {
    expect(findCycle(core)).toBeUndefined()
  })

  it('has no module of more than 180 lines of code', () => {
    const long = core.filter((source) => codeLines(source) > MAX_LINES).map(({ path }) => path)
    expect(long).toEqual([])
  })

  it('has at most 70 lines of code in half of its modules', () => {
    const lines = core.map(codeLines).sort((one, other) => one - other)
    expect(lines[Math.floor(lines.length / 2)]).toBeLessThanOrEqual(MAX_MEDIAN_LINES)
  })

  it('depends on jose and lru-cache only', () => {
    const packages = core.flatMap(({ imports }) =>
      imports.filter((found) => !isInternal(found) && !isBuiltin(found)),
    )
    expect([...new Set(packages)].sort()).toEqual(['jose', 'lru-cache'])
  })

  it('imports jose in verify/ and prove/ only', () => {
    expect(filesImporting('jose').filter((path) => !/^(?:verify|prove)\//.test(path))).toEqual([])
    expect(filesImporting('jose')).not.toEqual([])
  })

  it("verifies signatures in verify/jwt/signature.ts and its twin only, by the runtime's own cryptography", () => {
    expect(filesImporting('node:crypto')).toEqual(['lib/digest.node.ts', 'verify/jwt/signature.node.ts'])
    expect(
      filesWith(/\bsubtle\.(?!digest\b)\w+/g).filter((path) => path !== 'verify/jwt/signature.ts'),
    ).toEqual([])
    expect(filesWith(/\b(?:compact|flattened|general|jwt)Verify\b/g)).toEqual([])
  })

  it('imports lru-cache in lib/lru.ts only', () => {
    expect(filesImporting('lru-cache')).toEqual(['lib/lru.ts'])
  })

  it('imports a Node built-in in files with a portable twin only', () => {
    for (const { path, imports } of core) {
      if (!imports.some(isBuiltin)) continue
      expect(path).toMatch(/\.node\.ts$/)
    }
  })

  it('imports what has no portable twin in node.ts only, which is an entry point of its own', () => {
    const special = 'net/public-fetch.node.ts'
    expect(core.filter(({ imports }) => imports.includes(special)).map(({ path }) => path)).toEqual([
      'node.ts',
    ])
    expect(core.filter(({ imports }) => imports.includes('node.ts'))).toEqual([])
  })

  it('names no global of Node’s own outside those files', () => {
    const globals =
      /(?<![\w$.#'"-])(?:process|Buffer|global|setImmediate|__dirname|__filename|require)\b(?!['"-])/g
    expect(filesWith(globals).filter((path) => !path.endsWith('.node.ts'))).toEqual([])
  })

  it('starts no timer, and leaves the turn of the event loop in verify/jwt/signature.node.ts only', () => {
    expect(filesWith(/\bset(?:Timeout|Interval)\b/g)).toEqual([])
    expect(new Set(filesWith(/\bsetImmediate\b/g))).toEqual(new Set(['verify/jwt/signature.node.ts']))
  })

  it('fetches in net/fetch-json.ts only, with the default of net/runtime-fetch', () => {
    // `this.#fetch()` and `fetchJson()` are not it; `globalThis.fetch()` is.
    expect(new Set(filesWith(/(?<![\w#])fetch\(/g))).toEqual(
      new Set(['net/fetch-json.ts', 'net/runtime-fetch.node.ts', 'net/runtime-fetch.ts']),
    )
  })

  it('writes WWW-Authenticate in answer/challenge.ts only', () => {
    expect(new Set(filesWith(/www-authenticate/gi))).toEqual(new Set(['answer/challenge.ts']))
  })
})

describe.for(adapters)('the adapter for $name', ({ name, sources }) => {
  it('is one file of at most 140 lines of code', () => {
    expect(sources.map(({ path }) => path)).toEqual(['index.ts'])
    expect(sources.map(codeLines).filter((lines) => lines > 140)).toEqual([])
  })

  it('imports the entry points of the core for applications and for adapters, its framework, and nothing else', () => {
    expect(sources.flatMap(({ imports }) => imports).sort()).toEqual([
      '@bearergate/core',
      '@bearergate/core/adapter',
      name,
    ])
  })
})

describe.for(PACKAGES)('the package %s', (name) => {
  const sources = sourcesOf(name)

  it('has no file for types or for utilities', () => {
    const buckets = /(?:^|\/)(?:types?|utils?|helpers?|common|shared|misc)(?:\.\w+)*\.ts$/
    expect(sources.map(({ path }) => path).filter((path) => buckets.test(path))).toEqual([])
  })

  it('says of each file what it is for, in its first sentence', () => {
    for (const { path, text } of sources) expect(text, path).toMatch(/^\/\*\*(?:\n \*)? [A-Z].+[.:] ?/)
  })
})
