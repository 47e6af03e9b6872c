/** What a cached token costs in memory. Runs as a child of main.ts. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { jwt } from '@bearergate/core'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Memory {
  readonly tokens: number
  /** Of all of them, and of the claims of one, as JSON, in bytes. */
  readonly total: number
  readonly claims: number
}

const TOKENS = 10_000

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
const { privateKey, publicKey } = await generateKeyPair('ES256')
const issuer = 'https://id.example.com'
const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] }
const verifier = jwt({ issuer, audience: 'https://api.example.com', keys })

await verifier.verify(await sign(0))
const before = used()
let claims = 0
for (let index = 1; index <= TOKENS; index += 1) {
  const token = await sign(index)
  claims += Buffer.from(token.split('.')[1] ?? '', 'base64url').length
  const result = await verifier.verify(token)
  if (!result.active) throw new Error(result.reason)
}
const total = used() - before
// The cache is still in use.
if (JSON.stringify(verifier.describe?.()).includes('"entries":0')) throw new Error('nothing is cached')
process.send?.({ tokens: TOKENS, total, claims: claims / TOKENS } satisfies Memory, () =>
  process.disconnect(),
)

function used(): number {
  for (let turn = 0; turn < 5; turn += 1) gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function sign(index: number): Promise<string> {
  return new SignJWT({
    scope: 'openid profile read:messages',
    client_id: `client-${index}`,
    jti: crypto.randomUUID(),
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })
    .setIssuer(issuer)
    .setAudience('https://api.example.com')
    .setSubject(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(privateKey)
}
