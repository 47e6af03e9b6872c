/** A bundle for Node, as builders of containers make it, on each runtime that can run it: it has the modules for Node. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundle } from '../support/bundle.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const made = mkdtempSync(join(FOLDER, 'made-'))
const program = join(made, 'program.mjs')

const RUNTIMES: readonly (readonly [name: string, path: string, ...args: string[]])[] = [
  ...['20', '22', '24', '26'].map((major) => [`Node ${major}`, `node${major}/bin/node`] as const),
  ['Bun', '@oven/bun-linux-x64/bin/bun'],
  ['Deno', '@deno/linux-x64-glibc/deno', 'run', '--allow-all', '--no-remote', '--no-lock', '--no-config'],
]

/** Prints for each algorithm whether a good token is allowed, and one that the same key signed in another way. */
const CODE = `
  import { constants, generateKeyPairSync, sign } from 'node:crypto'
  import { createGate } from '@bearergate/core'
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ed = generateKeyPairSync('ed25519')
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: 'https://id.example.com', aud: 'api', sub: 'emma', iat: 1_700_000_000, exp: 1_700_000_300 }
  async function isAllowed(alg, { publicKey, privateKey }, hash, parameters) {
    const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg }] }
    const gate = createGate({ issuer: claims.iss, audience: 'api', keys, now: () => 1_700_000_100_000 })
    const signed = encode({ alg, kid: 'one', typ: 'at+jwt' }) + '.' + encode(claims)
    const signature = sign(hash, Buffer.from(signed), { key: privateKey, ...parameters }).toString('base64url')
    const decision = await gate.authenticate({ header: () => 'Bearer ' + signed + '.' + signature })
    return decision.ok ? 'allowed' : decision.reason
  }
  console.log(JSON.stringify({
    RS256: [await isAllowed('RS256', rsa, 'sha256', {}), await isAllowed('RS256', rsa, 'sha256', pss)],
    PS256: [await isAllowed('PS256', rsa, 'sha256', pss), await isAllowed('PS256', rsa, 'sha256', {})],
    ES256: [
      await isAllowed('ES256', ec, 'sha256', { dsaEncoding: 'ieee-p1363' }),
      await isAllowed('ES256', ec, 'sha384', { dsaEncoding: 'ieee-p1363' }),
    ],
    EdDSA: [await isAllowed('EdDSA', ed, null, {})],
  }))`

beforeAll(() =>
  bundle({
    stdin: { contents: CODE, resolveDir: FOLDER },
    outfile: program,
    platform: 'node',
    conditions: ['node', 'import'],
  }),
)
afterAll(() => rmSync(made, { recursive: true, force: true }))

describe.each(RUNTIMES)('a bundle for Node on %s', (_, path, ...args) => {
  const binary = join(FOLDER, 'node_modules', path)
  if (!existsSync(binary)) {
    it.skip('needs a runtime that is not installed: npm ci --prefix test/runtimes')
    return
  }

  it('allows what the algorithm of the key signed, and nothing else (RFC 8725 §3.1)', () => {
    const output = execFileSync(binary, [...args, program], { encoding: 'utf8', cwd: made })
    const rejected = ['allowed', 'invalid_signature']
    expect(JSON.parse(output)).toEqual({
      RS256: rejected,
      PS256: rejected,
      ES256: rejected,
      EdDSA: ['allowed'],
    })
  })
})
