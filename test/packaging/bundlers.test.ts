/** Applications that are bundled with the packages as they are published, and run where nothing is installed. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { areInstalled, OPTIONAL } from '../support/optional.ts'
import { createProject, link } from './project.ts'
import { run } from './run.ts'
import { ROOT } from './sources.ts'

// The tests start bundlers, on a machine that may be busy.
vi.setConfig({ testTimeout: 600_000 })

const TOOLS = join(OPTIONAL, 'node_modules')
const areToolsInstalled = areInstalled('webpack', '@vercel/ncc', 'rollup', '@rollup/plugin-node-resolve')

let project: string
/** Where the bundles are, without any package. */
let elsewhere: string

beforeAll(async () => {
  ;({ project } = await createProject())
  await link(project, ['express', 'jose', 'lru-cache'])
  if (areToolsInstalled) await link(project, ['@rollup/plugin-node-resolve'], OPTIONAL)
  elsewhere = await mkdtemp(join(tmpdir(), 'bearergate-bundled-'))
  await writeFile(join(project, 'plain.mjs'), application(''))
  await writeFile(join(project, 'express.mjs'), application("import express from 'express'"))
}, 600_000)

afterAll(() =>
  Promise.all([project, elsewhere].map((folder) => rm(folder, { recursive: true, force: true }))),
)

/** An API on Express if it is imported, and else on `node:http`. Fetches keys, and prints how a good, a bad and no token are answered. */
const application = (imported: string) => `
${imported}
import { once } from 'node:events'
import { createServer } from 'node:http'
import { scope, UnavailableError } from '@bearergate/core'
import { lambda } from '@bearergate/core/lambda'
import { auth0 } from '@bearergate/core/presets'
import { bearer } from '@bearergate/express'
import * as koa from '@bearergate/koa'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

async function main() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const header = { alg: 'ES256', kid: 'one' }
  const keys = [{ ...(await exportJWK(publicKey)), ...header }]
  const issuer = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.url === '/jwks' ? { keys } : { issuer: origin(issuer), jwks_uri: origin(issuer) + '/jwks' }))
  })
  await once(issuer.listen(0, '127.0.0.1'), 'listening')
  const audience = 'https://api.example.com'
  const auth = bearer({ issuer: origin(issuer), audience })
  const reading = auth.authorize(scope('read'))
  const tell = (request, response) => response.end(auth.identity(request).subject)
  const listener = typeof express === 'undefined'
    ? (request, response) => auth(request, response, () => reading(request, response, () => tell(request, response)))
    : express().use(auth, reading, tell)
  const api = createServer(listener)
  await once(api.listen(0, '127.0.0.1'), 'listening')
  const token = await new SignJWT({ scope: 'read' }).setSubject('emma').setIssuer(origin(issuer)).setAudience(audience)
    .setIssuedAt().setExpirationTime('1h').setProtectedHeader(header).sign(privateKey)
  const answers = []
  for (const sent of [token, token.slice(0, -8) + 'AAAAAAAA', undefined]) {
    const response = await fetch(origin(api), sent && { headers: { authorization: 'Bearer ' + sent } })
    const text = await response.text()
    answers.push(response.ok ? text : response.status + ' ' + (JSON.parse(text).error ?? 'no error'))
  }
  const parts = [koa.bearer, lambda, auth0].map((part) => typeof part)
  console.log(JSON.stringify({ answers, parts, name: new UnavailableError('It is down').name }))
  for (const server of [issuer, api]) server.close(server.closeAllConnections())
}
function origin(server) {
  return 'http://127.0.0.1:' + server.address().port
}
main()
`

async function expectToRun(bundle: string): Promise<void> {
  expect(JSON.parse(await run(process.execPath, [bundle], elsewhere))).toEqual({
    answers: ['emma', '401 invalid_token', '401 no error'],
    parts: ['function', 'function', 'function'],
    name: 'UnavailableError',
  })
}

describe('a bundle', () => {
  it.each([
    ['cjs', 'express'],
    ['esm', 'plain'],
  ])(
    'of esbuild in the format %s, minified, runs without node_modules (FIELD-HELD-20)',
    async (format, entry) => {
      const outfile = join(elsewhere, `esbuild.${format === 'cjs' ? 'cjs' : 'mjs'}`)
      const options = ['--bundle', '--minify', '--platform=node', `--format=${format}`, '--log-level=error']
      const esbuild = join(ROOT, 'node_modules/.bin/esbuild')
      await run(esbuild, [join(project, `${entry}.mjs`), ...options, `--outfile=${outfile}`])
      await expectToRun(outfile)
    },
  )

  it.skipIf(!areToolsInstalled)(
    'of webpack in production mode runs without node_modules (FIELD-HELD-21)',
    async () => {
      const options = {
        mode: 'production',
        target: 'node',
        context: project,
        entry: './express.mjs',
        output: { path: elsewhere, filename: 'webpack.cjs' },
      }
      const script = join(project, 'webpack.cjs')
      await writeFile(
        script,
        `require(${JSON.stringify(join(TOOLS, 'webpack'))})(${JSON.stringify(options)}, (failure, stats) => {
        if (failure || stats.hasErrors()) throw failure ?? new Error(stats.toString())
      })`,
      )
      await run(process.execPath, [script], project)
      await expectToRun(join(elsewhere, 'webpack.cjs'))
    },
  )

  it.skipIf(!areToolsInstalled)('of ncc runs without node_modules (FIELD-HELD-22)', async () => {
    const out = join(elsewhere, 'ncc')
    const ncc = join(TOOLS, '@vercel/ncc/dist/ncc/cli.js')
    await run(
      process.execPath,
      [ncc, 'build', join(project, 'express.mjs'), '--no-cache', '-o', out],
      project,
    )
    await expectToRun(join(out, 'index.mjs'))
  })

  it.skipIf(!areToolsInstalled).each([
    ['the condition of Node', ['node']],
    ['no condition of a runtime', []],
  ])('of Rollup with %s runs without node_modules (FIELD-HELD-23)', async (name, exportConditions) => {
    const folder = join(elsewhere, name.replaceAll(' ', '-'))
    await mkdir(folder)
    const config = join(project, 'rollup.config.mjs')
    await writeFile(
      config,
      `import { nodeResolve } from '@rollup/plugin-node-resolve'
      export default {
        input: 'plain.mjs',
        output: { dir: ${JSON.stringify(folder)}, format: 'es', entryFileNames: 'bundle.mjs' },
        external: /^node:/,
        plugins: [nodeResolve(${JSON.stringify({ exportConditions })})],
      }`,
    )
    await run(
      process.execPath,
      [join(TOOLS, 'rollup/dist/bin/rollup'), '-c', config, '--failAfterWarnings'],
      project,
    )
    await expectToRun(join(folder, 'bundle.mjs'))
  })
})
