/** The text of a token has one spelling (RFC 7515 §2, RFC 4648 §3.5). */

import { createGate, type Gate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { readCredentials } from './credentials.ts'
import { AGAIN, sampled, scaled } from './run.ts'
import { ALGORITHMS, createSigner } from './signer.ts'

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const INSERTED = [' ', '\t', '\n', '\r', '\0', '=', '==', '+', '/', '.', '?', 'é']

/** The token with each of the 64 characters at the end of each segment. */
function lastCharacters(token: string): readonly string[] {
  const segments = token.split('.')
  return segments.flatMap((segment, index) =>
    [...BASE64URL].map((character) => segments.with(index, segment.slice(0, -1) + character).join('.')),
  )
}

function insertions(token: string): readonly string[] {
  return Array.from({ length: token.length + 1 }, (_, at) =>
    INSERTED.map((text) => token.slice(0, at) + text + token.slice(at)),
  ).flat()
}

function replacements(token: string): readonly string[] {
  return Array.from(token, (_, at) =>
    INSERTED.map((text) => token.slice(0, at) + text + token.slice(at + 1)),
  ).flat()
}

/** Returns the right status for a text: 200 as it was issued, 401 for another token, 400 for what is no token at all. */
function rightStatus(token: string, text: string): number {
  const credentials = readCredentials(`Bearer ${text}`)
  if (credentials.kind !== 'bearer') return 400
  // RFC 9110 §11.4: any number of spaces comes before the token, so that one more is not a part of it.
  return credentials.token === token ? 200 : 401
}

async function wronglyDecided(
  gate: Gate,
  token: string,
  texts: readonly string[],
): Promise<readonly (readonly [status: number, text: string])[]> {
  const wrong: (readonly [number, string])[] = []
  for (const text of texts) {
    const pending = gate.authenticate({ header: () => `Bearer ${text}` })
    const decision = pending instanceof Promise ? await pending : pending
    const status = decision.ok ? 200 : decision.status
    if (status !== rightStatus(token, text)) wrong.push([status, text])
  }
  return wrong
}

describe('the text of a token', () => {
  let count = 0

  it.each(ALGORITHMS)('accepts the text of a token only as it was issued: %s (BI04)', async (alg) => {
    const { jwk, kid, token: sign } = createSigner(alg)
    // A payload that ends on each of the three places of base64url, in turn.
    const jti = 'j'.repeat(1 + (ALGORITHMS.indexOf(alg) % 3))
    const claims = {
      ...goodClaims(),
      jti,
      name: 'Emma',
      email: 'emma@example.com',
      roles: ['reader', 'writer'],
    }
    const token = sign({ typ: 'at+jwt', alg, kid }, claims)
    const gates = [false, {}].map((cache) =>
      createGate({
        issuer: ISSUER,
        audience: AUDIENCE,
        keys: { keys: [{ ...jwk }] },
        algorithms: [alg as 'RS256'],
        cache: cache as false,
        now: () => NOW * 1000,
      }),
    )
    const others = [...insertions(token), ...replacements(token)]
    const texts = [token, ...lastCharacters(token), ...sampled(others)]
    for (const gate of gates) expect(await wronglyDecided(gate, token, texts), AGAIN).toEqual([])
    count += texts.length
  })

  it('compared at least 90,000 texts (BI04)', () => {
    expect(count).toBeGreaterThanOrEqual(scaled(90_000))
  })
})
