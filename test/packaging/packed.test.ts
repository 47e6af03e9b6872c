/** The packages as they are published: built, packed, unpacked into a project of their own, and used there. */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW } from '../support/issuer.ts'
import { PAGES } from './pages.ts'
import { createProject, link, type Tarballs } from './project.ts'
import { run } from './run.ts'
import { filesBelow, PACKAGES, type PackageName, ROOT } from './sources.ts'

/** What the packages and their users need besides. */
const INSTALLED = [
  'jose',
  'lru-cache',
  'express',
  'fastify',
  'koa',
  'redis',
  '@types/express',
  '@types/koa',
  '@types/ws',
  'valibot',
  'ws',
  'zod',
  '@types/node',
] as const

/** The code of every page: it must compile as it stands. That of recipes is compiled and run by recipes.test.ts. */
const DOCUMENTED = PAGES.filter(({ path }) => !path.includes('/recipes/')).flatMap(({ path, text }) =>
  [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = ''], index) => ({
    file: `${path.replace(/\.md$/, '').replaceAll('/', '-')}-${index + 1}.ts`,
    code,
  })),
)

const bin = (name: string) => join(ROOT, 'node_modules/.bin', name)

let project: string
let tarballs: Tarballs
const unpacked = (name: PackageName) => join(project, 'node_modules/@bearergate', name)

beforeAll(async () => {
  ;({ project, tarballs } = await createProject())
  await link(project, INSTALLED)
}, 600_000)

afterAll(() => rm(project, { recursive: true, force: true }))

describe.for(PACKAGES)('the tarball of %s', (name) => {
  it('pleases publint', async () => {
    await run(bin('publint'), ['run', tarballs[name], '--strict'])
  })

  it('has types that resolve for CommonJS, ES modules, bundlers and node10', async () => {
    await run(bin('attw'), [tarballs[name], '--profile', 'strict', '--no-definitely-typed'])
  }, 600_000)

  it('contains a licence, a README, the documentation, source, output and entry points for CommonJS, and nothing else', async () => {
    const sources = filesBelow(join(ROOT, 'packages', name, 'src'))
    const built = sources.flatMap((path) =>
      ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((ending) => `dist/${path.replace(/\.ts$/, ending)}`),
    )
    const pages = name === 'core' ? filesBelow(join(ROOT, 'packages/core/docs')) : []
    const expected = [
      'LICENSE',
      'README.md',
      'package.json',
      ...(name === 'core' ? ['FEATURES.md', 'api.md'] : []),
      ...pages.map((path) => `docs/${path}`),
      ...filesBelow(join(ROOT, 'packages', name, 'cjs')).map((path) => `cjs/${path}`),
      ...built,
      ...sources.map((path) => `src/${path}`),
    ]
    expect(filesBelow(unpacked(name))).toEqual(expected.sort())
    for (const file of ['LICENSE', 'README.md'])
      expect((await readFile(join(unpacked(name), file), 'utf8')).trim(), file).not.toBe('')
  })

  it('depends on versions, not on a workspace', async () => {
    const text = await readFile(join(unpacked(name), 'package.json'), 'utf8')
    expect(text).not.toContain('workspace:')
    const { dependencies, peerDependencies, engines, version, scripts } = JSON.parse(text)
    expect(engines).toEqual({ node: '>=20.19' })
    expect(scripts ?? {}).toEqual({})
    if (name === 'core') expect(Object.keys(dependencies)).toEqual(['jose', 'lru-cache'])
    else {
      expect(dependencies).toEqual({ '@bearergate/core': `^${version}` })
      expect(Object.keys(peerDependencies)).toEqual([name])
    }
  })
})

/** Sends one good and one bad token through each package, whatever way they were loaded. */
function consumer(load: (name: string) => string, input: object): string {
  return `
    const { createServer } = ${load('node:http')}
    const { createGate } = ${load('@bearergate/core')}
    const forExpress = ${load('@bearergate/express')}
    const forKoa = ${load('@bearergate/koa')}
    const { default: express } = ${load('express')}
    const { default: Koa } = ${load('koa')}
    const { token, options, now } = ${JSON.stringify(input)}
    const gate = createGate({ ...options, now: () => now })

    const app = express()
    const auth = forExpress.bearer(gate)
    app.get('/', auth, forExpress.requireScope('read'), (req, res) => res.json(auth.identity(req).subject))

    const koa = new Koa()
    const koaAuth = forKoa.bearer(gate)
    koa.use(koaAuth).use(forKoa.requireScope('read'))
    koa.use((ctx) => { ctx.body = JSON.stringify(koaAuth.identity(ctx).subject) })

    async function ask(listener) {
      const server = createServer(listener)
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      const url = 'http://127.0.0.1:' + server.address().port
      const answers = []
      for (const sent of [token, token.slice(0, -4) + 'AAAA']) {
        const response = await fetch(url, { headers: { authorization: 'Bearer ' + sent } })
        answers.push(response.status, (await response.json()).error ?? 'passed')
      }
      server.close()
      server.closeAllConnections()
      return answers
    }

    async function main() {
      const sent = { headers: { authorization: 'Bearer ' + token } }
      const answer = await gate.protect((_request, { subject }) => new Response(subject))(new Request('https://api.example.com/', sent))
      console.log(JSON.stringify({ express: await ask(app), koa: await ask(koa.callback()), fetch: await answer.text() }))
    }
    main()`
}

describe('a project that installed the tarballs', () => {
  const PASSED = [200, 'passed', 401, 'invalid_token']
  const EXPECTED = { express: PASSED, koa: PASSED, fetch: 'emma' }
  let input: object

  beforeAll(async () => {
    const key = await createKey()
    const options = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } }
    input = { token: await key.sign(), options, now: NOW * 1000 }
  })

  it('imports and uses them as ES modules', async () => {
    const file = join(project, 'consumer.mjs')
    await writeFile(
      file,
      consumer((name) => `await import('${name}')`, input),
    )
    expect(JSON.parse(await run(process.execPath, [file]))).toEqual(EXPECTED)
  })

  it('requires and uses them as CommonJS does, without a warning', async () => {
    const file = join(project, 'consumer.cjs')
    // express is CommonJS, and koa brings both kinds.
    const load = (name: string) =>
      name === 'express' || name === 'koa'
        ? `((found) => ({ default: found.default ?? found }))(require('${name}'))`
        : `require('${name}')`
    const strict = "process.on('warning', (warning) => { throw warning })"
    await writeFile(file, `${strict}${consumer(load, input)}`)
    const output = await run(process.execPath, [file])
    expect(JSON.parse(output)).toEqual(EXPECTED)
  })

  it('loads no HTTP module of Node before it fetches keys', async () => {
    const file = join(project, 'modules.mjs')
    await writeFile(
      file,
      `import { createGate } from '@bearergate/core'
      createGate(${JSON.stringify({ issuer: ISSUER, audience: AUDIENCE })})
      const ofRequests = /^NativeModule (?:https?|_http_\\w+|tls|_tls_\\w+|net|zlib)$/
      console.log(process.moduleLoadList.filter((name) => ofRequests.test(name)).join())`,
    )
    expect((await run(process.execPath, [file])).trim()).toBe('')
  })

  it('fetches keys if the application replaced the global `process`', async () => {
    const file = join(project, 'process.mjs')
    await writeFile(
      file,
      `import { once } from 'node:events'
      import { createServer } from 'node:http'
      import { createGate } from '@bearergate/core'
      const { token, options: { keys, ...options }, now } = ${JSON.stringify(input)}
      const server = createServer((_request, response) => response.end(JSON.stringify(keys)))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      globalThis.process = { env: {} }
      const jwksUri = 'http://127.0.0.1:' + server.address().port
      const gate = createGate({ ...options, jwksUri, now: () => now })
      const decision = await gate.authenticate({ header: () => 'Bearer ' + token })
      console.log(decision.ok)
      server.close()
      server.closeAllConnections()`,
    )
    expect((await run(process.execPath, [file])).trim()).toBe('true')
  })

  it('resolves them to what was built, not to the source', async () => {
    const file = join(project, 'resolve.mjs')
    const names = [
      ...PACKAGES,
      'core/adapter',
      'core/presets',
      'core/lambda',
      'core/node',
      'core/explain',
      'core/signals',
    ].map((name) => `import.meta.resolve('@bearergate/${name}')`)
    await writeFile(file, `console.log([${names}].join())`)
    const resolved = (await run(process.execPath, [file])).trim().split(',')
    expect(resolved.map((url) => url.slice(url.indexOf('@bearergate/')))).toEqual([
      ...PACKAGES.map((name) => `@bearergate/${name}/dist/index.js`),
      '@bearergate/core/dist/adapter.js',
      '@bearergate/core/dist/presets/index.js',
      '@bearergate/core/dist/hosts/lambda/index.js',
      '@bearergate/core/dist/node.js',
      '@bearergate/core/dist/explain.js',
      '@bearergate/core/dist/signals/index.js',
    ])
  })

  it('cannot import what is not exported', async () => {
    const file = join(project, 'deep.mjs')
    await writeFile(file, "await import('@bearergate/core/dist/gate/gate.js')")
    await expect(run(process.execPath, [file])).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('compiles for Workers, without the types of Node, libraries checked', async () => {
    const directory = join(project, 'worker')
    await mkdir(directory)
    const compilerOptions = {
      ...{ module: 'preserve', moduleResolution: 'bundler', target: 'ES2023', lib: ['ES2023', 'WebWorker'] },
      ...{ types: [], strict: true, skipLibCheck: false, noEmit: true },
    }
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    await writeFile(
      join(directory, 'worker.ts'),
      `import { createGate } from '@bearergate/core'
      import { lambda } from '@bearergate/core/lambda'
      import { auth0 } from '@bearergate/core/presets'
      const gate = createGate({ verifier: auth0({ domain: 'a.eu.auth0.com', audience: 'b' }) })
      export const handler = lambda(gate, (_event, { subject }) => ({ subject }))
      export default { fetch: gate.protect((_request, { subject }) => Response.json({ subject })) }`,
    )
    await run(bin('tsc'), ['-p', directory], ROOT)
  })

  const KINDS = [
    { module: 'nodenext', moduleResolution: 'nodenext', lib: ['ES2023'], type: 'module' },
    { module: 'nodenext', moduleResolution: 'nodenext', lib: ['ES2023'], type: 'commonjs' },
    { module: 'preserve', moduleResolution: 'bundler', lib: ['ES2023', 'DOM'], type: 'module' },
  ] as const

  for (const { type, ...kind } of KINDS)
    it(`compiles every documented example with ${kind.moduleResolution} as ${type}, libraries checked`, async () => {
      const directory = join(project, `${kind.moduleResolution}-${type}`)
      await mkdir(directory)
      await writeFile(join(directory, 'package.json'), JSON.stringify({ type }))
      const compilerOptions = {
        ...kind,
        target: 'ES2023',
        types: ['node'],
        strict: true,
        skipLibCheck: false,
        esModuleInterop: true,
        noEmit: true,
      }
      await writeFile(
        join(directory, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, include: ['*.ts'] }),
      )
      expect(DOCUMENTED.length).toBeGreaterThan(40)
      for (const { file, code } of DOCUMENTED) await writeFile(join(directory, file), code)
      if (type === 'module')
        for (const name of ['assertions', 'identity', 'options']) {
          const text = await readFile(join(ROOT, `test/types/${name}.ts`), 'utf8')
          await writeFile(
            join(directory, `${name}.ts`),
            text.replaceAll("'./assertions.ts'", "'./assertions.js'"),
          )
        }
      expect(await run(bin('tsc'), ['-p', directory])).toBe('')
    }, 600_000)
})
