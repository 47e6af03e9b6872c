/** Packages that only `test/runtimes` installs, because of their size. Their types are not there for everyone, so a test states those that it uses. */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that contains `node_modules` with the packages. */
export const OPTIONAL = fileURLToPath(new URL('../runtimes/', import.meta.url))

/** Returns whether all of these packages are installed. If not, says how to install them. */
export function areInstalled(...names: readonly string[]): boolean {
  const missing = names.filter((name) => !existsSync(join(OPTIONAL, 'node_modules', name)))
  if (missing.length > 0) console.warn(`${missing.join(', ')}: not installed. npm ci --prefix test/runtimes`)
  return missing.length === 0
}

/** Loads a package that is installed. */
export function load<T>(name: string): T {
  return createRequire(join(OPTIONAL, 'package.json'))(name) as T
}
