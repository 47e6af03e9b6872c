/**
 * The public API of each package, as `packages/<name>/api.md` lists it: every exported name with its signature. A change of
 * the API is a change of that file, so a reviewer sees it. After a change on purpose, write the files again:
 *
 *     BEARERGATE_UPDATE=1 npx pnpm@12.21.0 test test/packaging/api-report.test.ts
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PACKAGES, type PackageName, ROOT } from './sources.ts'

const UPDATE = 'BEARERGATE_UPDATE=1 npx pnpm@12.21.0 test test/packaging/api-report.test.ts'

let reports: string

beforeAll(async () => {
  reports = await mkdtemp(join(tmpdir(), 'bearergate-api-'))
})

afterAll(() => rm(reports, { recursive: true, force: true }))

/** Lists the declarations of an entry point and those that they refer to, sorted by name, without comments. */
async function declarationsOf(name: PackageName, types: string): Promise<string[]> {
  const folder = join(ROOT, 'packages', name)
  const silent = { default: { logLevel: ExtractorLogLevel.None } }
  const compilerOptions = {
    target: 'ES2023',
    module: 'NodeNext',
    lib: ['ES2023'],
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    strict: true,
    skipLibCheck: true,
  }
  const { succeeded } = Extractor.invoke(
    ExtractorConfig.prepare({
      configObject: {
        projectFolder: folder,
        mainEntryPointFilePath: join(folder, types),
        compiler: { overrideTsconfig: { compilerOptions, files: [types] } },
        apiReport: {
          enabled: true,
          reportFileName: 'entry.api.md',
          reportFolder: reports,
          reportTempFolder: join(reports, 'temp'),
          includeForgottenExports: true,
        },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        newlineKind: 'lf',
        messages: {
          compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
          extractorMessageReporting: silent,
          tsdocMessageReporting: silent,
        },
      },
      configObjectFullPath: undefined,
      packageJsonFullPath: join(folder, 'package.json'),
    }),
    {
      localBuild: true,
      messageCallback: (message) => {
        message.handled = message.logLevel !== ExtractorLogLevel.Error // Prints errors only.
      },
    },
  )
  expect(succeeded, `${name}/${types}`).toBe(true)
  const [, code = ''] =
    /^```ts\n(.*)^```$/ms.exec(await readFile(join(reports, 'entry.api.md'), 'utf8')) ?? []
  return code
    .replaceAll(/^ *\/\/.*\n/gm, '')
    .split('\n\n')
    .map((declaration) => declaration.trim())
    .filter((declaration) => declaration !== '')
}

/** Lists what an entry point adds to the types of its framework, which the extractor leaves out. */
async function augmentationsOf(name: PackageName, types: string): Promise<string[]> {
  const code = await readFile(join(ROOT, 'packages', name, types), 'utf8')
  return (
    code.replaceAll(/^ *\/\*\*.*?\*\/\n/gms, '').match(/^declare (?:global|module '.+') \{\n.*?^\}/gms) ?? []
  )
}

/** The report of a package. A type that is not exported is listed once, at the first entry point that refers to it. */
async function reportOf(name: PackageName): Promise<string> {
  const { exports } = JSON.parse(await readFile(join(ROOT, 'packages', name, 'package.json'), 'utf8'))
  const listed = new Set<string>()
  let report = `# API of @bearergate/${name}\n\nGenerated. To write it again: \`${UPDATE}\`\n`
  for (const [path, { types }] of Object.entries<{ types?: string }>(exports)) {
    if (types === undefined) continue
    const declarations = (await declarationsOf(name, types)).filter(
      (declaration) => declaration.startsWith('export') || !listed.has(declaration),
    )
    declarations.push(...(await augmentationsOf(name, types)))
    for (const declaration of declarations) listed.add(declaration.replace(/^export /, ''))
    report += `\n## \`${join('@bearergate', name, path)}\`\n\n\`\`\`ts\n${declarations.join('\n\n')}\n\`\`\`\n`
  }
  return report
}

it.each(PACKAGES)(
  'packages/%s/api.md lists the public API as it is',
  async (name) => {
    const file = join(ROOT, 'packages', name, 'api.md')
    const report = await reportOf(name)
    if (process.env.BEARERGATE_UPDATE === '1') await writeFile(file, report)
    expect(await readFile(file, 'utf8'), `run ${UPDATE}`).toBe(report)
  },
  60_000,
)
