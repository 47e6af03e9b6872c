/** A project of its own that installed the packages as they are published: built, packed, and unpacked there. */

import { mkdir, mkdtemp, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from './run.ts'
import { PACKAGES, type PackageName, ROOT } from './sources.ts'

/** The path of each package's tarball. */
export type Tarballs = Readonly<Record<PackageName, string>>

/** Creates the project in a temporary folder. Its caller removes it. */
export async function createProject(): Promise<{ readonly project: string; readonly tarballs: Tarballs }> {
  const project = await realpath(await mkdtemp(join(tmpdir(), 'bearergate-packed-')))
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  const { packageManager } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const [pnpm] = packageManager.split('+')
  const tarballs = {} as Record<PackageName, string>
  for (const name of PACKAGES) {
    const destination = ['--pack-destination', project]
    await run('npx', ['--yes', pnpm, '-C', `packages/${name}`, 'pack', ...destination], ROOT)
    const { version } = JSON.parse(await readFile(join(ROOT, 'packages', name, 'package.json'), 'utf8'))
    tarballs[name] = join(project, `bearergate-${name}-${version}.tgz`)
    const unpacked = join(project, 'node_modules/@bearergate', name)
    await mkdir(unpacked, { recursive: true })
    await run('tar', ['-xzf', tarballs[name], '--strip-components=1', '-C', unpacked])
  }
  return { project, tarballs }
}

/** Installs further packages in a project, as they are installed below `from`, so that nothing is fetched. */
export async function link(project: string, names: readonly string[], from = ROOT): Promise<void> {
  for (const name of names) {
    const path = join(project, 'node_modules', name)
    await mkdir(dirname(path), { recursive: true })
    await symlink(join(from, 'node_modules', name), path, 'junction')
  }
}
