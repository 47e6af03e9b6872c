/** The pages that users read. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow, PACKAGES, ROOT } from './sources.ts'

export interface Page {
  /** The path below the root, as `packages/core/docs/jwt.md`. */
  readonly path: string
  readonly text: string
}

const DOCS = 'packages/core/docs'

const PATHS = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...PACKAGES.map((name) => `packages/${name}/README.md`),
  'packages/core/FEATURES.md',
  ...filesBelow(join(ROOT, 'examples'))
    .filter((path) => path.endsWith('README.md') && !path.includes('node_modules'))
    .map((path) => `examples/${path}`),
  ...filesBelow(join(ROOT, DOCS)).map((path) => `${DOCS}/${path}`),
]

export const PAGES: readonly Page[] = PATHS.map((path) => ({
  path,
  text: readFileSync(join(ROOT, path), 'utf8'),
}))

/** Returns a page by its path. */
export function pageAt(path: string): Page {
  const page = PAGES.find((one) => one.path === path)
  if (page === undefined) throw new Error(`There is no page ${path}`)
  return page
}

/** The text of a page without its code: neither blocks nor what is between backticks. */
export function proseOf({ text }: Page): string {
  return text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, '``')
}

/** Whether a path of the repository exists. */
export function exists(path: string): boolean {
  return existsSync(join(ROOT, path))
}
