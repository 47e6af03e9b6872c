/** Requests to a gate before the hostile server, each with a token whose right answer is known. */

import { createGate, type Decision, type Gate, type JwtSettings, type KeySetEvent } from '@bearergate/core'
import { AUDIENCE, type TestKey } from '../support/issuer.ts'
import type { AuthorizationServer } from './authorization-server.ts'

export interface Observed {
  readonly gate: Gate
  readonly events: KeySetEvent[]
  /** The outcome of a request with a new token: `ok`, or the reason. */
  ask(key: Pick<TestKey, 'sign'>, claims?: Record<string, unknown>): Promise<string>
  /** The outcome of a request with this token. */
  send(token: string): Promise<string>
  decide(token: string): Promise<Decision>
}

let number = 0

/** A gate for the server's keys. Without `jwksUri` it discovers them. */
export function observe(
  server: Pick<AuthorizationServer, 'origin'>,
  options: Partial<JwtSettings> & { jwksUri?: string } = {},
): Observed {
  const issuer = server.origin
  const events: KeySetEvent[] = []
  const gate = createGate({
    issuer,
    audience: AUDIENCE,
    jwksUri: `${issuer}/jwks`,
    cache: false,
    onKeySet: (event) => events.push(event),
    ...options,
  })
  const decide = async (token: string) =>
    gate.authenticate(
      new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } }),
    )
  const send = async (token: string) => {
    const decision = await decide(token)
    return decision.ok ? 'ok' : decision.reason
  }
  return {
    gate,
    events,
    decide,
    send,
    ask: async (key, claims = {}) => send(await tokenOf(key, issuer, claims)),
  }
}

/** A new token, good for ten minutes by the clock of the test. */
export function tokenOf(
  key: Pick<TestKey, 'sign'>,
  issuer: string,
  claims: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  number += 1
  return key.sign({ iss: issuer, iat: now, exp: now + 600, jti: `t${number}`, ...claims })
}

/** A token that names a key which nobody has: its signature is made up. */
export function forgedToken(issuer: string, kid: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const header = part({ alg: 'ES256', typ: 'at+jwt', kid })
  const payload = part({ iss: issuer, aud: AUDIENCE, sub: 'mallory', iat: now, exp: now + 600 })
  return `${header}.${payload}.${SIGNATURE}`
}

const SIGNATURE = Buffer.alloc(64, 7).toString('base64url')
