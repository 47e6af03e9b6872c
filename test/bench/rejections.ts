/**
 * Measures what it costs the event loop to reject a token, by kind, beside a token of its size with a forged signature: a
 * token that nobody signed must not cost more than checking its signature would. Runs as a child of main.ts.
 */

import { performance } from 'node:perf_hooks'
import { chain, createGate, type Gate, jwt, multiIssuerJwt } from '@bearergate/core'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** Microseconds of the event loop for one rejection, 64 at a time, by a gate with this many audiences or issuers. */
export interface Rejected {
  readonly kind: string
  /** The kind that it is compared with. */
  readonly reference: string
  readonly reason: string
  readonly one: number
  readonly audiences: number
  readonly chained: number
  readonly listed: number
}

const ISSUER = 'https://id.example.com'
const AUDIENCE = 'https://api.example.com'
const AT_A_TIME = 64
const FORGED = 'a forged signature'
const FORGED_AUDIENCES = `${FORGED}, 1,400 groups`
const FORGED_NEAR_AUDIENCES = `${FORGED}, 180 groups`
const FORGED_CLAIMS = `${FORGED}, 500 claims`
const FORGED_TEXT = `${FORGED}, 5,000 characters`

process.once('message', async ({ seconds }: { seconds: number }) => {
  process.send?.(await rejections(seconds), () => process.disconnect())
})

async function rejections(seconds: number): Promise<readonly Rejected[]> {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }] }
  const gates = gatesFor(keys)
  const good = await new SignJWT({ sub: 'emma' })
    .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'at+jwt' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setExpirationTime('1h')
    .sign(privateKey)
  const results: Rejected[] = []
  for (const [kind, make, reference = FORGED] of kindsOf(good)) {
    const [one, audiences, chained, listed] = [
      await costOf(gates.one, make, seconds),
      await costOf(gates.audiences, make, seconds),
      await costOf(gates.chained, make, seconds),
      await costOf(gates.listed, make, seconds),
    ] as const
    const decision = await ask(gates.one, make(0))
    if (decision.ok) throw new Error(`${kind} is not rejected`)
    results.push({ kind, reference, reason: decision.reason, one, audiences, chained, listed })
  }
  return results
}

function gatesFor(keys: {
  keys: object[]
}): Readonly<Record<'one' | 'audiences' | 'chained' | 'listed', Gate>> {
  const audiences = Array.from({ length: 9 }, (_, index) => `https://api${index}.example.com`)
  const others = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      issuer: `https://id${index}.example.com`,
      audience: AUDIENCE,
      keys: keys as never,
    }))
  const ours = { issuer: ISSUER, audience: AUDIENCE, keys: keys as never }
  return {
    one: createGate(ours),
    audiences: createGate({ ...ours, audience: [...audiences, AUDIENCE] }),
    chained: createGate({ verifier: chain(jwt(ours), ...others(19).map((options) => jwt(options))) }) as Gate,
    listed: createGate({ verifier: multiIssuerJwt([...others(999), ours]) }) as Gate,
  }
}

/** A kind, its tokens, and the kind that it is compared with if that is not the small forged token. */
type Kind = readonly [kind: string, make: (index: number) => string, reference?: string]

/** Every token is another one, so that no cache and no shared verification helps. */
function kindsOf(good: string): readonly Kind[] {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const [, payload = '', signature = ''] = good.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const unsigned =
    (changes: object, head: object = {}) =>
    (index: number) =>
      `${part({ alg: 'RS256', kid: 'one', typ: 'at+jwt', ...head })}.${part({ ...claims, ...changes, jti: String(index) })}.${signature}`
  const many = (count: number, make: (index: number) => unknown) =>
    Array.from({ length: count }, (_, index) => make(index))
  const claims500 = Object.fromEntries(many(500, (index) => [`c${index}`, 0]) as [string, number][])
  const audiences1400 = many(1_399, () => 'a')
  const audiences180 = many(179, () => `${AUDIENCE}/`)
  const text5000 = 'a'.repeat(5_000)
  return [
    [FORGED, unsigned({})],
    [FORGED_AUDIENCES, unsigned({ groups: audiences1400 })],
    [FORGED_NEAR_AUDIENCES, unsigned({ groups: audiences180 })],
    [FORGED_CLAIMS, unsigned(claims500)],
    [FORGED_TEXT, unsigned({ text: text5000 })],
    ['text that is not a JWT', (index) => `${'a'.repeat(700)}${index}`],
    ['8 KiB of text', (index) => `${index}`.padEnd(8_192, 'a')],
    ['more than 8 KiB', (index) => `${index}`.padEnd(9_000, 'a')],
    [
      'an encrypted token',
      (index) => `${part({ alg: 'dir', enc: 'A256GCM' })}..${part(index)}.${part(index)}.AAAA`,
    ],
    ['a header that is not JSON', (index) => `${part(index).slice(0, 4)}AA.${payload}.${signature}`],
    ['another algorithm', unsigned({}, { alg: 'none' })],
    ['another type', unsigned({}, { typ: 'logout+jwt' })],
    ['another issuer', unsigned({ iss: 'https://evil.example' })],
    ['an issuer of 5,000 characters', unsigned({ iss: `https://${text5000}` }), FORGED_TEXT],
    ['another audience', unsigned({ aud: 'https://other.example.com' })],
    ['1,400 audiences', unsigned({ aud: [...audiences1400, 'a'] }), FORGED_AUDIENCES],
    [
      '180 audiences that are nearly ours',
      unsigned({ aud: [...audiences180, `${AUDIENCE}/`] }),
      FORGED_NEAR_AUDIENCES,
    ],
    ['500 claims', unsigned({ ...claims500, exp: 1 }), FORGED_CLAIMS],
    ['claims nested 500 deep', unsigned({ deep: JSON.parse('['.repeat(500) + ']'.repeat(500)) })],
    ['expired', unsigned({ exp: 1 })],
  ]
}

function ask(gate: Gate, token: string) {
  return gate.authenticate({ header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) })
}

async function costOf(gate: Gate, make: (index: number) => string, seconds: number): Promise<number> {
  const tokens = Array.from({ length: 2_048 }, (_, index) => make(index))
  const before = performance.eventLoopUtilization()
  const begin = performance.now()
  let count = 0
  while (performance.now() - begin < seconds * 1000) {
    const start = count % tokens.length
    await Promise.all(tokens.slice(start, start + AT_A_TIME).map((token) => ask(gate, token)))
    count += AT_A_TIME
    await new Promise((resolve) => setImmediate(resolve))
  }
  return (performance.eventLoopUtilization(before).active * 1000) / count
}
