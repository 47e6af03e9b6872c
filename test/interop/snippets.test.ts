/** The code that the page of the demonstration shows is executed as it is shown, in seven languages. */

import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Draft, Snippet } from '../../examples/demo/page/model.ts'
import { call, canRun, type Demo, startDemo } from '../support/demo-world.ts'

let demo: Demo
let folder: string
beforeAll(async () => {
  demo = await startDemo()
  folder = mkdtempSync(join(tmpdir(), 'bearergate-snippets-'))
})
afterAll(async () => {
  await demo.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What makes programs of other languages out of the text: quotation marks, variables, escapes, and letters. */
const TEXT = 'Emma O\'Neil said "$HOME" \\ née {{x}}'
const EMPLOYEE = { employee: { name: TEXT, age: 28 } }

const DRAFTS: readonly Omit<Draft, 'token'>[] = [
  {
    host: 'Express',
    method: 'GET',
    path: '/echo/get/json',
    headers: [['Accept', 'application/json']],
    body: '',
  },
  {
    host: 'Koa',
    method: 'POST',
    path: '/echo/post/json',
    headers: [['Content-Type', 'application/json']],
    body: JSON.stringify(EMPLOYEE),
  },
  {
    host: 'fetch',
    method: 'POST',
    path: '/echo/post/form',
    headers: [['Content-Type', 'application/x-www-form-urlencoded']],
    body: String(new URLSearchParams({ name: TEXT.replaceAll(/[\\{}]/g, ''), city: 'Boston' })),
  },
]

/** What each API answers, and how JavaScript prints that. */
const sent = [null, EMPLOYEE, { name: TEXT.replaceAll(/[\\{}]/g, ''), city: 'Boston' }]

const python = ['python3', '/usr/bin/python3'].find(
  (one) => spawnSync(one, ['-c', 'import requests']).status === 0,
)

/** C# of today has statements at the top, and usings for everybody. The compiler of Mono needs a class and the usings. */
function monoProgram(code: string): string {
  const [usings, rest] = [/^using System.*;$/gm, code.replaceAll(/^using System.*;$/gm, '')]
  return [
    ...(code.match(usings) ?? []),
    'using System; using System.Collections.Generic; using System.Net.Http; using System.Threading.Tasks;',
    'class Program {',
    'static void Main() { Run().GetAwaiter().GetResult(); }',
    `static async Task Run() {\n${rest}\n} }`,
  ].join('\n')
}

interface Language {
  readonly name: string
  readonly isThere: () => boolean
  /** Runs the code in a folder and returns what it printed. */
  readonly run: (code: string) => Promise<string>
}

/** Asynchronous, because the APIs that the program asks run in this process. */
async function output(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: folder, timeout: 60_000 })
  return stdout
}

function fileOf(name: string, code: string): string {
  writeFileSync(join(folder, name), code)
  return name
}

const node = (code: string) => output(process.execPath, fileOf('snippet.mjs', code))

const LANGUAGES: readonly Language[] = [
  {
    name: 'curl',
    isThere: () => canRun('curl', 'curl', '--version'),
    run: (code) => output('bash', fileOf('a.sh', code)),
  },
  {
    name: 'Python',
    isThere: () => canRun('Python', python ?? 'python3', '-c', 'import requests'),
    run: (code) => output(python ?? '', fileOf('a.py', code)),
  },
  { name: 'JavaScript', isThere: () => true, run: node },
  { name: 'Node.js', isThere: () => true, run: node },
  {
    name: 'PHP',
    isThere: () => canRun('PHP', 'php', '-r', 'curl_version();'),
    run: (code) => output('php', fileOf('a.php', code)),
  },
  {
    name: 'Java',
    isThere: () => canRun('Java', 'java', '-version'),
    run: (code) => output('java', fileOf('Main.java', code)),
  },
  {
    name: 'C#',
    isThere: () => canRun('C# (Mono)', 'mcs', '--version'),
    run: async (code) => {
      await output('mcs', '-langversion:latest', '-r:System.Net.Http', fileOf('a.cs', monoProgram(code)))
      return output('mono', 'a.exe')
    },
  },
]

describe.each(LANGUAGES.map((language) => [language.name, language] as const))(
  'the code in %s',
  (name, language) => {
    const isThere = language.isThere()
    it.skipIf(!isThere)('sends the request that the page shows, and gets its answer', async () => {
      const { token } = await call<{ token: string }>(demo, 'token', { kind: 'jwt' })
      for (const [index, draft] of DRAFTS.entries()) {
        const all = await call<readonly Snippet[]>(demo, 'snippets', {
          draft: { ...draft, token },
          isReal: true,
        })
        const code = all.find((snippet) => snippet.name === name)?.code ?? ''
        const printed = (await language.run(code)).trim()
        const answer = {
          from: { subject: 'demo-client', kind: 'jwt', scopes: ['read', 'write'] },
          sent: sent[index],
        }
        const expected = printed.startsWith('{"') ? JSON.stringify(answer) : inspect(answer)
        expect([draft.path, printed]).toEqual([draft.path, expected])
      }
    })
  },
)

it('contains no real token by default, in any language', async () => {
  const { token } = await call<{ token: string }>(demo, 'token', { kind: 'jwt' })
  for (const draft of DRAFTS) {
    const all = await call<readonly Snippet[]>(demo, 'snippets', {
      draft: { ...draft, token },
      isReal: false,
    })
    expect(all.map(({ name }) => name)).toEqual(LANGUAGES.map(({ name }) => name))
    for (const { code } of all) {
      expect(code).toContain('YOUR_TOKEN')
      expect(code).not.toContain(token.slice(0, 20))
    }
  }
})
