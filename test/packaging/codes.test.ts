/** The codes of configuration errors: each one in the source is explained in docs/errors.md, and no other. */

import { expect, it } from 'vitest'
import { CONFIGURATION_CODES } from '#core/lib/configuration-error.ts'
import { pageAt } from './pages.ts'
import { sourcesOf } from './sources.ts'

const { text } = pageAt('packages/core/docs/errors.md')
const sources = ['core', 'express', 'koa', 'redis'].flatMap((name) => sourcesOf(name as 'core'))

/** The codes that the sources use, as arguments of any function. */
function usedCodes(): ReadonlySet<string> {
  const literals = sources.flatMap(({ code, path }) =>
    path === 'lib/configuration-error.ts' ? [] : [...code.matchAll(/'([A-Z]+(?:_[A-Z]+)+)'/g)],
  )
  const known: readonly string[] = CONFIGURATION_CODES
  return new Set(literals.map(([, name = '']) => name).filter((name) => known.includes(name)))
}

it('each code is used, and has an entry in docs/errors.md', () => {
  const explained = [...text.matchAll(/^\| `ERR_BEARERGATE_([A-Z_]+)` /gm)].map(([, name]) => name)
  expect(explained).toEqual([...CONFIGURATION_CODES])
  expect([...usedCodes()].sort()).toEqual([...CONFIGURATION_CODES].sort())
})

it('the tables of mistakes name codes that exist, and each code at least once', () => {
  const named = [...text.matchAll(/^\| `([A-Z_]+)` +\| /gm)].map(([, name]) => name)
  const entries = named.filter((name) => !name?.startsWith('ERR_'))
  expect(entries.filter((name) => !(CONFIGURATION_CODES as readonly unknown[]).includes(name))).toEqual([])
  expect(CONFIGURATION_CODES.filter((name) => !entries.includes(name))).toEqual([])
})

it('no TypeError of the configuration is without a code', () => {
  const without = sources.filter(({ code }) => /new TypeError\(/.test(code)).map(({ path }) => path)
  // The clock is read during a request, and Node’s own client throws as Node does.
  expect(without.sort()).toEqual(['lib/clock.ts', 'lib/configuration-error.ts', 'net/client.node.ts'])
})

it('the code of a warning is in docs/errors.md', () => {
  const [warning] = sources.flatMap(({ code }) =>
    [...code.matchAll(/'(BEARERGATE_[A-Z]+)'/g)].map(([, name]) => name),
  )
  expect(text).toContain(`\`${warning}\``)
})
