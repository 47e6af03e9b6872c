/** The source files of the packages and what each of them imports. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository, ending with a slash. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export const PACKAGES = ['core', 'express', 'koa', 'redis'] as const
export type PackageName = (typeof PACKAGES)[number]

export interface Source {
  /** The path below `src`, as `verify/jwt.ts`. */
  readonly path: string
  readonly text: string
  /** Without comments, and on which strings still stand as they are. */
  readonly code: string
  /** What it imports, types too: paths below `src` where they are relative, and names of packages. */
  readonly imports: readonly string[]
}

/** Every file below a directory, with `/` in its path, sorted. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(directory.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}

export function sourcesOf(name: PackageName): readonly Source[] {
  const directory = join(ROOT, 'packages', name, 'src')
  return filesBelow(directory).map((path) => {
    const text = readFileSync(join(directory, path), 'utf8')
    const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(?<=^|\s)\/\/.*$/gm, '')
    return { path, text, code, imports: importsOf(code, path) }
  })
}

/** The number of lines that are neither blank nor a comment. */
export function codeLines({ code }: Pick<Source, 'code'>): number {
  return code.split('\n').filter((line) => line.trim() !== '').length
}

/** The share of lines that are comments, among all lines that are not blank. */
export function commentShare(sources: readonly Pick<Source, 'text' | 'code'>[]): number {
  const filled = (text: string) => text.split('\n').filter((line) => line.trim() !== '').length
  const all = sources.reduce((sum, { text }) => sum + filled(text), 0)
  const code = sources.reduce((sum, source) => sum + codeLines(source), 0)
  return (all - code) / all
}

/** What code imports and re-exports, in any of the ways there are. Of twins that a condition chooses from, both. */
export function importsOf(code: string, path: string): string[] {
  const found = code.matchAll(/\b(?:from|import|require)\s*\(?\s*(['"`])([^'"`]+)\1/g)
  const specifiers = [...found].flatMap(([, , specifier = '']) =>
    specifier.startsWith('.')
      ? normalize(join(dirname(path), specifier)).replaceAll('\\', '/')
      : (TWINS[specifier] ?? specifier),
  )
  return [...new Set(specifiers)]
}

/** The files behind each name in `imports` of the core. */
const TWINS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries<{ '@bearergate/source': Record<string, string> }>(
    JSON.parse(readFileSync(join(ROOT, 'packages/core/package.json'), 'utf8')).imports,
  ).map(([name, { '@bearergate/source': files }]) => [
    name,
    [...new Set(Object.values(files).map((file) => file.replace('./src/', '')))],
  ]),
)

/** The name of the package that a specifier is of: `@scope/name/deep` is `@scope/name`'s. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
