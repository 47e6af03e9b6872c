/** CommonJS projects that installed the packages: `require()`, TypeScript in each module mode, and the tools of such projects. */

import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProject, link } from './project.ts'
import { run } from './run.ts'
import { PACKAGES, ROOT } from './sources.ts'

// The tests start compilers and test runners, on a machine that may be busy.
vi.setConfig({ testTimeout: 600_000 })

const ENTRIES = [...PACKAGES, 'core/adapter', 'core/lambda', 'core/node', 'core/presets', 'core/signals'].map(
  (name) => `@bearergate/${name}`,
)

const PAGE = 'core/docs/commonjs-and-jest.md'

/** Jest and other tools, which are not a part of the workspace because of their size. */
const TOOLS = join(ROOT, 'test/commonjs')
const areToolsInstalled = existsSync(join(TOOLS, 'node_modules'))
if (!areToolsInstalled) console.warn('The tools of CommonJS are not installed: npm ci --prefix test/commonjs')

let project: string

beforeAll(async () => {
  ;({ project } = await createProject())
  const types = ['@types/express', '@types/koa', '@types/node']
  await link(project, ['express', 'jose', 'koa', 'lru-cache', 'redis', ...types])
  if (!areToolsInstalled) return
  const { dependencies } = JSON.parse(await readFile(join(TOOLS, 'package.json'), 'utf8'))
  await link(project, Object.keys(dependencies), TOOLS)
}, 600_000)

afterAll(() => rm(project, { recursive: true, force: true }))

/** The code blocks of a page, by the name of the section that they are in. */
async function codeOf(page: string): Promise<readonly { readonly section: string; readonly code: string }[]> {
  const sections = (await readFile(join(ROOT, 'packages', page), 'utf8')).split(/^##+ /m)
  return sections.flatMap((text) =>
    [...text.matchAll(/^```(?:js|ts)\n(.*?)^```/gms)].map(([, code = '']) => ({
      section: text.slice(0, text.indexOf('\n')),
      code,
    })),
  )
}

async function quickStart(adapter: 'express' | 'koa'): Promise<string> {
  const [first] = await codeOf(`${adapter}/README.md`)
  return `${first?.code}\nexport { app }`
}

/** Uses every entry point, with types, and prints what came of it. */
const MAIN = `
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGate, type Identity, staticTokens, UnavailableError } from '@bearergate/core'
import { toGate } from '@bearergate/core/adapter'
import { lambda } from '@bearergate/core/lambda'
import { publicFetch } from '@bearergate/core/node'
import { auth0 } from '@bearergate/core/presets'
import { app as express } from './express'
import { app as koa } from './koa'

async function ask(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const response = await fetch('http://127.0.0.1:' + (server.address() as AddressInfo).port + '/api/messages')
  server.close()
  server.closeAllConnections()
  return response.status
}

const subjectOf = ({ subject }: Identity): string | undefined => subject
const gate = createGate({ verifier: staticTokens([{ token: 'token-of-emma', subject: 'emma' }]) })
const guarded = gate.protect((_request, identity) => new Response(subjectOf(identity)))
export const handler = lambda(toGate(gate), (_event, { subject }) => ({ subject }))
const verifier = auth0({ domain: 'a.eu.auth0.com', audience: 'b', fetch: publicFetch })
export const another = createGate({ verifier })

interface User { readonly name: string }
const findUser = async (subject: string | undefined): Promise<User | null> =>
  subject === undefined ? null : { name: subject }
const loading = createGate({ verifier, loadUser: ({ subject }) => findUser(subject) })
export const nameOf = (request: Request): string => loading.userOf(request).name
// @ts-expect-error: a user is an object
createGate({ verifier, loadUser: async () => 'emma' })

// @ts-expect-error: what is imported is typed, and not \`any\`
export const wrong: number = createGate
// @ts-expect-error: as above
export const alsoWrong: number = new UnavailableError('It is down').message

async function main() {
  const headers = { authorization: 'Bearer token-of-emma' }
  const answer = await guarded(new Request('https://api.example.com/', { headers }))
  const imported = await import('@bearergate/core')
  console.log(JSON.stringify({
    express: await ask(express),
    koa: await ask(koa.callback()),
    fetch: await answer.text(),
    isSame: imported.UnavailableError === UnavailableError,
  }))
}
void main()
`
const EXPECTED = { express: 401, koa: 401, fetch: 'emma', isSame: true }

/** Writes the application and its configuration to a folder of its own. */
async function createApplication(name: string, compilerOptions: object): Promise<string> {
  const directory = join(project, name)
  await mkdir(directory)
  const files = {
    'main.ts': MAIN,
    'express.ts': await quickStart('express'),
    'koa.ts': await quickStart('koa'),
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        ...{ target: 'ES2022', types: ['node'], strict: true, skipLibCheck: false, esModuleInterop: true },
        ...{ rootDir: '.', outDir: 'out' },
        ...compilerOptions,
      },
      include: ['*.ts'],
    }),
  }
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text)
  return directory
}

/** Compiles the application and runs it. If the compiler emits ES modules, esbuild bundles them to CommonJS first. */
async function compileAndRun(compiler: string, directory: string, isModule: boolean): Promise<unknown> {
  expect(await run(process.execPath, [compiler, '-p', directory])).toBe('')
  let main = join(directory, 'out/main.js')
  if (isModule) {
    const outfile = join(directory, 'out/bundle.cjs')
    const options = ['--bundle', '--platform=node', '--format=cjs', '--log-level=error']
    await run(join(ROOT, 'node_modules/.bin/esbuild'), [main, ...options, `--outfile=${outfile}`])
    main = outfile
  }
  return JSON.parse(await run(process.execPath, [main]))
}

describe('require()', () => {
  it('returns the same functions and classes as import, from every entry point', async () => {
    const file = join(project, 'same.cjs')
    await writeFile(
      file,
      `async function main() {
        const found = {}
        for (const name of ${JSON.stringify(ENTRIES)}) {
          const required = require(name)
          const imported = await import(name)
          const names = Object.keys(imported)
          found[name] = names.length > 0 && names.every((key) => required[key] === imported[key])
        }
        const { UnavailableError } = await import('@bearergate/core')
        found.instance = new UnavailableError('It is down') instanceof require('@bearergate/core').UnavailableError
        console.log(JSON.stringify(found))
      }
      main()`,
    )
    const expected = Object.fromEntries([...ENTRIES, 'instance'].map((name) => [name, true]))
    expect(JSON.parse(await run(process.execPath, [file]))).toEqual(expected)
  })

  it('runs the example of docs/commonjs-and-jest.md', async () => {
    const [example] = await codeOf(PAGE)
    const file = join(project, 'server.cjs')
    await writeFile(
      file,
      `${example?.code}
      const server = app.listen(0, '127.0.0.1', async () => {
        const { status } = await fetch('http://127.0.0.1:' + server.address().port + '/messages')
        console.log(status)
        server.close()
        server.closeAllConnections()
      })`,
    )
    expect(await run(process.execPath, [file])).toBe('401\n')
  })

  it('has an entry point for each that import has', async () => {
    for (const name of PACKAGES) {
      const text = await readFile(join(ROOT, 'packages', name, 'package.json'), 'utf8')
      const entries = Object.entries<Record<string, object>>(JSON.parse(text).exports)
      for (const [path, conditions] of entries) {
        if (path === './package.json') continue
        const entry = `./cjs/${path === '.' ? 'index' : path.slice(2)}`
        expect(Object.keys(conditions)).toEqual(['@bearergate/source', 'require', 'types', 'default'])
        expect(conditions.require).toEqual({ types: `${entry}.d.cts`, default: `${entry}.cjs` })
      }
    }
  })
})

describe('the quick starts, compiled to CommonJS with the types of libraries checked, run', () => {
  // `moduleResolution` is the default of each `module`: for commonjs, it is node10 in TypeScript 5 and bundler in TypeScript 7.
  const typescript7 = join(ROOT, 'node_modules/typescript/bin/tsc')
  it.for(['commonjs', 'node16', 'node20', 'nodenext', 'preserve'])(
    'with TypeScript 7 and module %s',
    async (module) => {
      const directory = await createApplication(`typescript7-${module}`, { module })
      expect(await compileAndRun(typescript7, directory, module === 'preserve')).toEqual(EXPECTED)
    },
  )

  const typescript5 = join(TOOLS, 'node_modules/typescript/bin/tsc')
  it.skipIf(!areToolsInstalled).for(['commonjs', 'node16'])(
    'with TypeScript 5 and module %s',
    async (module) => {
      const directory = await createApplication(`typescript5-${module}`, { module })
      expect(await compileAndRun(typescript5, directory, false)).toEqual(EXPECTED)
    },
  )
})

describe('the quick starts run uncompiled', () => {
  async function runWith(name: string, args: readonly string[]): Promise<unknown> {
    const directory = await createApplication(name, { module: 'node16' })
    return JSON.parse(await run(process.execPath, [...args, 'main.ts'], directory))
  }

  it('by tsx, which has one copy for require() and another for import()', async () => {
    const args = ['--import', import.meta.resolve('tsx')]
    expect(await runWith('tsx', args)).toEqual({ ...EXPECTED, isSame: false })
  })

  it.skipIf(!areToolsInstalled)('by ts-node', async () => {
    const args = [join(TOOLS, 'node_modules/ts-node/dist/bin.js'), '--transpile-only']
    expect(await runWith('ts-node', args)).toEqual(EXPECTED)
  })

  it.skipIf(!areToolsInstalled)('by @swc-node/register', async () => {
    expect(await runWith('swc-node', ['--require', '@swc-node/register'])).toEqual(EXPECTED)
  })
})

/** A test as users write it. It loads every entry point, and verifies a signature with the jose that Jest transformed. */
const SIGNED = `
import { createGate, UnavailableError } from '@bearergate/core'
import { toGate } from '@bearergate/core/adapter'
import { lambda } from '@bearergate/core/lambda'
import { publicFetch } from '@bearergate/core/node'
import { auth0 } from '@bearergate/core/presets'
import * as express from '@bearergate/express'
import * as koa from '@bearergate/koa'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const issuer = 'https://id.example.com'
const audience = 'https://api.example.com'

test('verifies signatures', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const header = { alg: 'ES256', kid: 'one' }
  const key = Object.assign({ kty: 'EC' }, await exportJWK(publicKey), header)
  const claims = new SignJWT({ scope: 'read' }).setSubject('emma').setIssuer(issuer).setAudience(audience)
  const token = await claims.setIssuedAt().setExpirationTime('1h').setProtectedHeader(header).sign(privateKey)
  const gate = toGate(createGate({ issuer, audience, keys: { keys: [key] } }))
  async function answerTo(sent) {
    const headers = { authorization: 'Bearer ' + sent }
    const decision = await gate.authenticate(new Request(audience, { headers }))
    return decision.ok ? decision.identity.subject : decision.reason
  }
  expect(await answerTo(token)).toBe('emma')
  expect(await answerTo(token.slice(0, -6) + 'AAAAAA')).toBe('invalid_signature')
  expect(new UnavailableError('It is down')).toBeInstanceOf(Error)
  for (const use of [express.bearer, koa.bearer]) expect(use(gate)).toBeInstanceOf(Function)
  for (const use of [lambda, publicFetch, auth0]) expect(use).toBeInstanceOf(Function)
})`

/** A test that fakes timers, as its user does for code of its own. The keys are fetched meanwhile. */
const FAKED = `
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createGate } from '@bearergate/core'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const audience = 'https://api.example.com'

test('answers good, bad and new tokens while timers are faked', async () => {
  const keys = []
  const issuer = createServer((request, response) => {
    const origin = 'http://127.0.0.1:' + issuer.address().port
    const metadata = { issuer: origin, jwks_uri: origin + '/jwks' }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.url === '/jwks' ? { keys } : metadata))
  }).listen(0, '127.0.0.1')
  await once(issuer, 'listening')
  const origin = 'http://127.0.0.1:' + issuer.address().port
  const [{ publicKey, privateKey }, foreign] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')])
  const header = { alg: 'ES256', kid: 'one' }
  keys.push(Object.assign({ kty: 'EC' }, await exportJWK(publicKey), header))
  const sign = (key, id) =>
    new SignJWT({ jti: id }).setSubject('emma').setIssuer(origin).setAudience(audience)
      .setIssuedAt().setExpirationTime('1h').setProtectedHeader(header).sign(key)
  async function answerTo(gate, sent) {
    const headers = { authorization: 'Bearer ' + sent }
    const decision = await gate.authenticate(new Request(audience, { headers }))
    return decision.ok ? decision.identity.subject : decision.reason
  }
  const early = createGate({ issuer: origin, audience })
  jest.useFakeTimers()
  try {
    for (const gate of [early, createGate({ issuer: origin, audience })]) {
      const good = await sign(privateKey, 'good')
      expect(await answerTo(gate, good)).toBe('emma')
      expect(await answerTo(gate, good)).toBe('emma')
      expect(await answerTo(gate, await sign(foreign.privateKey, 'bad'))).toBe('invalid_signature')
      expect(await answerTo(gate, await sign(privateKey, 'new'))).toBe('emma')
      jest.advanceTimersByTime(7200000)
      expect(await answerTo(gate, good)).toBe('expired')
    }
  } finally {
    jest.useRealTimers()
    issuer.close()
    issuer.closeAllConnections()
  }
})`

describe.skipIf(!areToolsInstalled)('Jest, as docs/commonjs-and-jest.md configures it, passes', () => {
  /** Writes the configuration of a section of the page, and the tests that are given. */
  async function createTests(section: string, tests: Readonly<Record<string, string>>): Promise<string> {
    const directory = join(project, section.replaceAll(' ', '-'))
    await mkdir(directory)
    const code = (await codeOf(PAGE)).filter((block) => block.section === section)
    expect(code.map(nameOf)).toContain('jest.config.js')
    for (const block of code) await writeFile(join(directory, nameOf(block)), block.code)
    for (const [name, text] of Object.entries(tests)) await writeFile(join(directory, name), text)
    return directory
  }

  /** The name of a file is the comment at its top. */
  function nameOf({ code }: { readonly code: string }): string {
    return /^\/\/ (\S+)$/m.exec(code)?.[1] ?? ''
  }

  /** Runs Jest, and returns the number of tests that passed. It fails if one did not. */
  async function jest(directory: string, flags: readonly string[] = []): Promise<number> {
    const options = [
      '--json',
      '--runInBand',
      '--watchman=false',
      '--testTimeout=60000',
      `--cacheDirectory=${directory}/cache`,
    ]
    const program = [...flags, join(TOOLS, 'node_modules/jest/bin/jest.js'), ...options]
    return JSON.parse(await run(process.execPath, program, directory)).numPassedTests
  }

  const documentedTest = async () =>
    (await codeOf(PAGE)).find((block) => nameOf(block) === 'messages.test.js')?.code ?? ''

  for (const section of ['Babel', 'SWC'])
    it(`with ${section}, also while timers are faked (FIELD-HELD-18)`, async () => {
      const tests = {
        'messages.test.js': await documentedTest(),
        'signed.test.js': SIGNED,
        'faked.test.js': FAKED,
      }
      expect(await jest(await createTests(section, tests))).toBe(3)
    })

  it('with ts-jest', async () => {
    const directory = await createTests('ts-jest', {
      'messages.test.ts': await documentedTest(),
      'signed.test.ts': SIGNED,
      'tsconfig.json': JSON.stringify({
        compilerOptions: { module: 'commonjs', target: 'ES2022', isolatedModules: true },
      }),
    })
    expect(await jest(directory)).toBe(2)
  })

  it('without a transform: import() with a flag of Node, and require() from Node 24.9 on', async () => {
    const test = (load: string) => `test('loads', async () => {
      const { UnavailableError } = ${load}
      expect(new UnavailableError('It is down').message).toBe('It is down')
    })`
    const directory = await createTests('Without a transform', {
      'import.test.js': test("await import('@bearergate/core')"),
      'require.test.js': test("require('@bearergate/core')"),
      'module.test.mjs': `import * as core from '@bearergate/core'\n${test('core')}`,
    })
    const flag = '--experimental-vm-modules'
    const cannotRequire = 'Must use import to load ES Module'
    const unflagged = jest(directory)
    await expect(unflagged).rejects.toThrow(`without ${flag}`)
    await expect(unflagged).rejects.toThrow(cannotRequire)
    await expect(unflagged).rejects.toThrow('"numPassedTests":0')
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
    if (major > 24 || (major === 24 && minor >= 9)) expect(await jest(directory, [flag])).toBe(3)
    else {
      const flagged = jest(directory, [flag])
      await expect(flagged).rejects.toThrow(cannotRequire)
      await expect(flagged).rejects.toThrow('"numPassedTests":2')
    }
  })
})
