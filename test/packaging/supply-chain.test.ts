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

  it('use no action except those of GitHub that check out and install Node (ATK20)', () => {
    const actions = linesWith(/\buses:/, workflows).map((line) => /uses: ([^@]+)@/.exec(line)?.[1])
    expect([...new Set(actions)].sort()).toEqual(['actions/checkout', 'actions/setup-node'])
  })

  it('may only read the repository (ATK20)', () => {
    for (const path of workflows) expect(read(path)).toMatch(/^permissions:\n {2}contents: read\n(?! )/m)
  })

  it('have no write permission except the identity of the job that publishes (ATK20)', () => {
    const writes = linesWith(/^\s*(?:permissions: *\S|[\w-]+: *write)/, workflows)
    expect(writes.map((line) => line.replace(/:\d+ /, ' '))).toEqual([
      expect.stringMatching(/^\.github\/workflows\/release\.yml id-token: write\b/),
    ])
    const [, publish = ''] = read('.github/workflows/release.yml').split(/^ {2}publish:$/m)
    expect(publish).toMatch(/^ {4}permissions:\n {6}contents: read\n {6}id-token: write\b/m)
  })

  it('read no secret and never run the code of a fork with one (ATK20)', () => {
    expect(linesWith(/\bsecrets\b|pull_request_target|workflow_run|_TOKEN\b/, workflows)).toEqual([])
  })

  it('keep no credentials in a checkout and restore no cache (ATK20)', () => {
    for (const path of workflows) {
      const text = read(path)
      const count = (pattern: RegExp) => [...text.matchAll(pattern)].length
      expect(count(/uses: actions\/checkout@.*\n {8}with:\n {10}persist-credentials: false\n/g), path).toBe(
        count(/uses: actions\/checkout@/g),
      )
      expect(
        count(
          /uses: actions\/setup-node@.*\n {8}with:\n {10}node-version.*\n {10}package-manager-cache: false\n/g,
        ),
        path,
      ).toBe(count(/uses: actions\/setup-node@/g))
    }
  })

  it('run every job of .ci/run on a pull request, and unit on each major version of Node (ATK20)', () => {
    const [, jobs = ''] = /^JOBS=\((.*)\)$/m.exec(read('.ci/run')) ?? []
    const ci = read('.github/workflows/ci.yml')
    const [, others = ''] = /^ +job: \[(.*)\]$/m.exec(ci) ?? []
    expect(['unit', ...others.split(', ')].sort()).toEqual(jobs.split(' ').sort())
    expect(ci).toContain('run: bash .ci/run unit\n')
    expect(ci).toMatch(/^ +node: \[20, 22, 24, 26\]$/m)
    expect(readJson('package.json').engines.node).toBe(`>=${read('.nvmrc').trim()}`)
  })

  it('publish with provenance what pnpm packs, after the tests (ATK20)', () => {
    const release = read('.github/workflows/release.yml')
    expect(release).toMatch(/^ {2}publish:\n {4}needs: test$/m)
    expect(linesWith(/\bpublish --/, workflows)).toEqual([
      expect.stringMatching(/ pnpm@[\d.]+ publish --recursive --access public --provenance\b/),
    ])
  })
})

describe('the updates', () => {
  it('cover each lock file and the actions (ATK20)', () => {
    const updates = read('.github/dependabot.yml').matchAll(/package-ecosystem: (\S+)\n {4}directory: (\S+)/g)
    expect([...updates].map(([, ecosystem, directory]) => `${ecosystem} ${directory}`)).toEqual([
      'npm /',
      'npm /test/runtimes',
      'npm /test/commonjs',
      'npm /test/recipes',
      'github-actions /',
    ])
  })

  it('need the review of an owner (ATK20)', () => {
    expect(read('.github/CODEOWNERS')).toMatch(/^\* @bearergate\/[\w-]+$/m)
  })
})

describe('the lock files', () => {
  it('pin every package of the workspace by its hash (ATK20)', () => {
    const resolutions = read('pnpm-lock.yaml').match(/^ {4}resolution: .*/gm) ?? []
    expect(resolutions.length).toBeGreaterThan(100)
    for (const line of resolutions)
      expect(line).toMatch(/^ {4}resolution: \{integrity: sha512-[\w+/]+={0,2}\}$/)
  })

  it.for(['test/runtimes', 'test/commonjs', 'test/recipes'])(
    'pin every package of %s by its hash (ATK20)',
    (folder) => {
      const { dependencies } = readJson(`${folder}/package.json`)
      const { packages } = readJson(`${folder}/package-lock.json`)
      expect(packages[''].dependencies).toEqual(dependencies)
      const unpinned = Object.entries<{ integrity?: string }>(packages).filter(
        ([path, { integrity }]) => path !== '' && !/^sha512-[\w+/]+={0,2}$/.test(integrity ?? ''),
      )
      expect(unpinned).toEqual([])
    },
  )

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
