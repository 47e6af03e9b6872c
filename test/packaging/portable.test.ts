/** The core as it runs where Node is not: bundled for Workers and browsers, and run without Node's globals. */

import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import type * as Core from '@bearergate/core'
import { type BuildOptions, build } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import * as node from '../../packages/core/src/lib/digest.node.ts'
import * as portable from '../../packages/core/src/lib/digest.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../support/issuer.ts'
import { ROOT, sourcesOf } from './sources.ts'

const sources = sourcesOf('core')

/** The names that a module exports, as its source declares them. */
function exportedNames(code: string): string[] {
  return [...code.matchAll(/^export (?:async )?(?:function|const|class|type|interface) (\w+)/gm)]
    .map(([, name = '']) => name)
    .sort()
}

describe('what Node has and others have not', () => {
  /**
   * Bun and Deno have Node's modules. But they check signatures faster by WebCrypto, and their `fetch` can be told about
   * connections, and uses their proxies and certificates.
   */
  const PORTABLE_THERE = { runtimes: ['bun', 'deno'], names: ['verify/jwt/signature', 'net/runtime-fetch'] }
  /** Reached from `@bearergate/core/node`, or from a file with a twin. */
  const NODE_ONLY = ['net/client.node.ts', 'net/public-fetch.node.ts']
  const special = sources.filter(({ path }) => path.endsWith('.node.ts') && !NODE_ONLY.includes(path))

  it('is in four modules only', () => {
    const names = [
      'gate/load-explain.node.ts',
      'lib/digest.node.ts',
      'net/runtime-fetch.node.ts',
      'verify/jwt/signature.node.ts',
    ]
    expect(special.map(({ path }) => path)).toEqual(names)
  })

  it('reaches what has no twin from files for Node only', () => {
    const reaching = sources.filter(({ imports }) => imports.some((found) => NODE_ONLY.includes(found)))
    expect(reaching.map(({ path }) => path).filter((path) => !/(?:^|\.)node\.ts$/.test(path))).toEqual([])
  })

  it('has a portable twin with the same names, which one condition chooses', () => {
    const { imports } = JSON.parse(readFileSync(join(ROOT, 'packages/core/package.json'), 'utf8'))
    const chosen: Record<string, unknown> = {}
    for (const { path, code } of special) {
      const name = path.replace('.node.ts', '')
      const twin = sources.find((source) => source.path === `${name}.ts`)
      expect(exportedNames(twin?.code ?? '')).toEqual(exportedNames(code))
      const chosenFrom = (path: string, ending: string) => ({
        ...(PORTABLE_THERE.names.includes(name) &&
          Object.fromEntries(PORTABLE_THERE.runtimes.map((runtime) => [runtime, `${path}${ending}`]))),
        node: `${path}.node${ending}`,
        default: `${path}${ending}`,
      })
      chosen[`#${basename(name)}`] = {
        '@bearergate/source': chosenFrom(`./src/${name}`, '.ts'),
        ...chosenFrom(`./dist/${name}`, '.js'),
      }
    }
    expect(imports).toEqual(chosen)
  })

  it('gives the same digests as its twin', async () => {
    expect(Object.keys(node)).toEqual(Object.keys(portable))
    for (const text of ['', 'abc', 'é\u{1F600}', 'a'.repeat(8192), '\uD800'])
      expect(await portable.sha256(text)).toBe(await node.sha256(text))
    expect(await portable.sha256('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  })
})

/** All that the bundle finds besides the language: what every runtime of the web has. */
const WEB = {
  AbortController,
  AbortSignal,
  Headers,
  Request,
  Response,
  TextDecoder,
  TextEncoder,
  URL,
  Uint8Array,
  atob,
  btoa,
  crypto,
  performance,
}

/** The bundle's name in its context, where the program of the test runs. */
declare const bearergate: typeof Core

const OPTIONS = {
  bundle: true,
  write: false,
  format: 'iife',
  globalName: 'bearergate',
  platform: 'neutral',
  conditions: ['@bearergate/source', 'workerd', 'worker', 'browser', 'import'],
  absWorkingDir: ROOT,
} as const satisfies BuildOptions

describe('the bundle for Workers and browsers', () => {
  let bundle: string
  let inputs: string[]

  beforeAll(async () => {
    const entryPoints = [join(ROOT, 'packages/core/src/index.ts')]
    const { outputFiles, metafile } = await build({ ...OPTIONS, entryPoints, metafile: true })
    bundle = outputFiles[0]?.text ?? ''
    inputs = Object.keys(metafile.inputs)
  })

  it('contains the code of gate.explain only with the import of @bearergate/core/explain', async () => {
    expect(inputs).not.toContain('packages/core/src/gate/explain.ts')
    const explainIn = (code: string) => {
      const context = createContext({ ...WEB })
      runInContext(code, context)
      const program = async () => {
        const gate = bearergate.createGate({
          verifier: { verify: () => ({ active: false, reason: 'expired' }) },
        })
        return gate.explain('a-token').then(
          ({ failed }) => failed?.reason,
          (cause) => cause.code,
        )
      }
      return runInContext(`(${program})()`, context)
    }
    expect(await explainIn(bundle)).toBe('ERR_BEARERGATE_MISSING_OPTION')
    const contents = "import '@bearergate/core/explain'; export * from '@bearergate/core'"
    const { outputFiles } = await build({ ...OPTIONS, stdin: { contents, resolveDir: ROOT } })
    expect(await explainIn(outputFiles[0]?.text ?? '')).toBe('expired')
  })

  it('imports nothing, and contains the portable twins only', () => {
    expect(bundle).not.toMatch(/\b(?:from|import|require)\s*\(?\s*['"]/)
    expect(bundle).not.toMatch(/node:/)
    expect(inputs).toContain('packages/core/src/lib/digest.ts')
    expect(inputs).toContain('packages/core/src/verify/jwt/signature.ts')
    expect(inputs.filter((path) => path.endsWith('.node.ts'))).toEqual([])
  })

  it('uses Buffer and process only as lru-cache checks whether they exist', () => {
    const guarded = bundle.replaceAll(
      /typeof process\s*==\s*"object"\s*&&\s*(?:!!)?process\s*\?\s*process\b/g,
      '',
    )
    expect(guarded).not.toMatch(/(?<![\w$."'-])(?:Buffer|process)\b(?=\s*[.[(])/)
  })

  it('verifies and caches a JWT, and rejects others, without process and Buffer', async () => {
    const key = await createKey()
    const token = await key.sign()
    const other = await key.sign({ sub: 'mallory' })
    const forged = `${other.slice(0, other.lastIndexOf('.'))}${token.slice(token.lastIndexOf('.'))}`
    const context = createContext({ ...WEB })
    runInContext(bundle, context)
    const program = async (tokens: string[], options: object, now: number) => {
      const { createGate, generateToken, hashToken, opaque } = bearergate
      const request = (sent: string) =>
        new Request('https://api.example.com/', { headers: { authorization: `Bearer ${sent}` } })

      const gate = createGate({ ...options, now: () => now } as Core.IssuerGateOptions)
      const answer = gate.protect((_request, { subject }) => new Response(subject))
      const answers = []
      for (const sent of tokens) {
        const { status, body } = await answer(request(sent))
        answers.push(status, status === 200 ? await new Response(body).text() : '')
      }

      const own = generateToken('acme')
      const hash = await hashToken(own)
      const lookup = (_token: string, found: string) => (found === hash ? { subject: 'otto' } : null)
      const other = createGate({ verifier: opaque({ prefix: 'acme', lookup, cache: { ttl: 60 } }) })
      for (let time = 0; time < 2; time += 1) {
        const decision = await other.authenticate(request(own))
        answers.push(decision.ok ? decision.identity.subject : decision.reason)
      }
      return [typeof process, typeof Buffer, ...answers]
    }
    const options = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } }
    const call = runInContext(`(${program})`, context) as typeof program
    expect(await call([token, token, forged, 'a.b'], options, NOW * 1000)).toEqual([
      'undefined',
      'undefined',
      200,
      'emma',
      200,
      'emma',
      401,
      '',
      401,
      '',
      'otto',
      'otto',
    ])
  })
})
