/** One cached verification as tokens, issuers and keys grow in number. Runs as a child of main.ts: `growth.ts <tokens>`. */

import { hash } from 'node:crypto'
import { jwt, multiIssuerJwt } from '@bearergate/core'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { median } from './report.ts'

/** Nanoseconds for one verification, of the least and of the most, in rounds that take turns. */
export interface Growth {
  readonly what: string
  readonly least: readonly [count: number, nanoseconds: number]
  readonly most: readonly [count: number, nanoseconds: number]
  /** Whether it is no verification, but the least that any cache without token texts must do. */
  readonly isFloor?: boolean
}

const AUDIENCE = 'https://api.example.com'
const ROUNDS = 9
const CALLS = 100_000

type Pair = Awaited<ReturnType<typeof generateKeyPair>>

process.setSourceMapsEnabled(false)
const many = Number(process.argv[2])
const pair = await generateKeyPair('ES256')
const all: readonly Growth[] = [await ofTokens(), await ofHashes(), await ofIssuers(), await ofKeys()]
process.send?.(all, () => process.disconnect())

/** A hash of the token, and the entry of a map: what grows here grows in every cache. */
async function ofHashes(): Promise<Growth> {
  const texts = Array.from({ length: many }, (_, index) => `${index}.${'a'.repeat(600)}`)
  const repeated = texts.map((_, index) => copyOf(texts[index % 100] ?? ''))
  const of = (tokens: readonly string[]): Verifier => {
    const entries = new Map(
      tokens.map((token) => [hash('sha256', token, 'base64url'), { active: true as const }]),
    )
    return { verify: (token) => entries.get(hash('sha256', token, 'base64url')) ?? NOT_FOUND }
  }
  const grown = await compare(
    'hashes in a `Map`, without a verifier',
    [100, of(texts.slice(0, 100)), repeated],
    [many, of(texts), texts],
  )
  return { ...grown, isFloor: true }
}

const NOT_FOUND = { active: false }

async function ofTokens(): Promise<Growth> {
  const options = {
    issuer: 'https://id.example.com',
    audience: AUDIENCE,
    cache: { max: 200_000, maxBytes: 2 ** 29 },
  }
  const keys = { keys: [await jwk(pair, 'k')] }
  const few = jwt({ ...options, keys })
  const lots = jwt({ ...options, keys })
  const tokens = await Promise.all(Array.from({ length: many }, () => sign(pair, options.issuer, 'k')))
  // As many texts in either case: those of requests are as new to the processor, however few tokens there are.
  const repeated = tokens.map((_, index) => copyOf(tokens[index % 100] ?? ''))
  return compare('live tokens', [100, few, repeated], [many, lots, tokens])
}

async function ofIssuers(): Promise<Growth> {
  const of = async (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `https://id-${index}.example.com`)
    const keys = { keys: [await jwk(pair, 'k')] }
    const verifier = multiIssuerJwt(names.map((issuer) => ({ issuer, audience: AUDIENCE, keys })))
    const tokens = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => sign(pair, names[index % count] ?? '', 'k')),
    )
    return [count, verifier, tokens] as const
  }
  return compare('issuers', await of(1), await of(100))
}

async function ofKeys(): Promise<Growth> {
  const of = async (count: number) => {
    const pairs = await Promise.all(Array.from({ length: count }, () => generateKeyPair('ES256')))
    const keys = { keys: await Promise.all(pairs.map((each, index) => jwk(each, `k${index}`))) }
    const options = { issuer: 'https://id.example.com', audience: AUDIENCE, keys }
    const tokens = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        sign(pairs[index % count] as Pair, options.issuer, `k${index % count}`),
      ),
    )
    return [count, jwt(options), tokens] as const
  }
  return compare('keys of an issuer', await of(1), await of(64))
}

/** The part of a verifier that is measured. */
interface Verifier {
  verify(token: string): { readonly active: boolean } | Promise<{ readonly active: boolean }>
}

type Case = readonly [count: number, verifier: Verifier, tokens: readonly string[]]

async function compare(what: string, least: Case, most: Case): Promise<Growth> {
  for (const [, verifier, tokens] of [least, most])
    for (let index = 0; index < tokens.length; index += 64)
      await Promise.all(tokens.slice(index, index + 64).map((token) => verifier.verify(token)))
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [index, one] of [least, most].entries()) times[index as 0 | 1].push(time(one))
  return { what, least: [least[0], median(times[0])], most: [most[0], median(times[1])] }
}

function time([, verifier, tokens]: Case): number {
  const begin = performance.now()
  for (let call = 0; call < CALLS; call += 1) {
    const result = verifier.verify(tokens[call % tokens.length] ?? '')
    if (result instanceof Promise || !result.active) throw new Error('not cached')
  }
  return ((performance.now() - begin) * 1e6) / CALLS
}

async function jwk({ publicKey }: Pair, kid: string) {
  return { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }
}

function sign({ privateKey }: Pair, issuer: string, kid: string): Promise<string> {
  return new SignJWT({ scope: 'openid read:messages', client_id: 'b2f7a0c4-web', jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
    .setIssuer(issuer)
    .setAudience(AUDIENCE)
    .setSubject('7d1f2c9e-4b57-4c3e-9a43-0f1a6d2b8c55')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(privateKey)
}

/** A text of its own. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
