/** What installs and checks this repository is pinned: the package manager, the actions of CI, and every dependency. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './sources.ts'

const SKIPPED = /^(?:node_modules|dist|\.git|made-.*|.*\.tsbuildinfo|.*\.tgz)$/
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const readJson = (path: string) => JSON.parse(read(path))

/** Every file of the repository, without what is installed or built. */
function filesOf(directory = ''): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true })
    .filter(({ name }) => !SKIPPED.test(name))
    .flatMap((entry) =>
      entry.isDirectory() ? filesOf(`${directory}${entry.name}/`) : `${directory}${entry.name}`,
    )
}

/** `path:line` of every line that matches. */
function linesWith(pattern: RegExp, paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
  )
}

const THIS = 'test/packaging/supply-chain.test.ts'
const files = filesOf().filter((path) => path !== THIS)

describe('pnpm', () => {
  const { packageManager } = readJson('package.json')

  it('is pinned to an exact version and its hash (ATK20)', () => {
    expect(packageManager).toMatch(/^pnpm@\d+\.\d+\.\d+\+sha512\.[\da-f]{128}$/)
  })

  it('is run in this version by every command that is written down (ATK20)', () => {
    const [pinned = ''] = packageManager.split('+')
    const commands = linesWith(/\bnpx (?:-\S+ )*pnpm\b/, files)
    expect(commands.length).toBeGreaterThan(20)
    const others = new RegExp(`\\bnpx (?:-\\S+ )*(?!${pinned.replaceAll('.', '\\.')}(?![\\w.-]))pnpm\\b`)
    expect(linesWith(others, files)).toEqual([])
  })
})

describe('the workflows', () => {
  const workflows = files.filter((path) => path.startsWith('.github/workflows/'))

  it('use each action by its full commit, with the version as a comment (ATK20)', () => {
    const uses = linesWith(/\buses:/, workflows)
    expect(uses.length).toBeGreaterThan(0)
    for (const line of uses) expect(line).toMatch(/uses: [\w.-]+\/[\w./-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/)
  })

  it('may only read the repository (ATK20)', () => {
    for (const path of workflows) expect(read(path)).toMatch(/^permissions:\n {2}contents: read\n(?! )/m)
  })
})

describe('the lock files', () => {
  it('pin every package of the workspace by its hash (ATK20)', () => {
    const resolutions = read('pnpm-lock.yaml').match(/^ {4}resolution: .*/gm) ?? []
    expect(resolutions.length).toBeGreaterThan(100)
    for (const line of resolutions)
      expect(line).toMatch(/^ {4}resolution: \{integrity: sha512-[\w+/]+={0,2}\}$/)
  })

  it('pin every package of test/runtimes by its hash (ATK20)', () => {
    const { dependencies } = readJson('test/runtimes/package.json')
    const { packages } = readJson('test/runtimes/package-lock.json')
    expect(packages[''].dependencies).toEqual(dependencies)
    const unpinned = Object.entries<{ integrity?: string }>(packages).filter(
      ([path, { integrity }]) => path !== '' && !/^sha512-[\w+/]+={0,2}$/.test(integrity ?? ''),
    )
    expect(unpinned).toEqual([])
  })

  it('are what CI installs from (ATK20)', () => {
    expect(
      linesWith(/\bnpm (?:i|install|add)\b/, [
        '.ci/run',
        ...files.filter((path) => path.startsWith('.github/')),
      ]),
    ).toEqual([])
    expect(read('.ci/run')).toContain('npm ci ')
  })

  it('name no registry, nor does any other file (ATK20)', () => {
    expect(
      linesWith(
        /\bregistry\.[\w-]+\.\w+|\bregistry\s*[=:]\s*['"]?http|"resolved": "http|tarball: http/,
        files,
      ),
    ).toEqual([])
  })
})
