/** Requests to a gate in front of the faulty authorization server. The right answer to each token is known. */

import { createGate, type Decision, type Gate, type JwksEvent, type JwtSettings } from '@bearergate/core'
import { AUDIENCE, type TestKey } from '../support/issuer.ts'
import type { AuthorizationServer } from './authorization-server.ts'

export type ObserveOptions = Partial<JwtSettings> & { jwksUri?: string }

/** A request that may still be pending. */
export interface Begun {
  /** `ok`, or the reason of the rejection. `undefined` while the request is pending. */
  readonly outcome: string | undefined
  readonly answered: Promise<string>
}

export interface Observed {
  readonly gate: Gate
  readonly events: JwksEvent[]
  /** Sends a new token and returns the outcome: `ok`, or the reason of the rejection. */
  ask(key: Pick<TestKey, 'sign'>, claims?: Record<string, unknown>): Promise<string>
  /** Sends this token and returns the outcome. */
  send(token: string): Promise<string>
  /** Sends this token and does not wait for the answer. */
  begin(token: string): Begun
  decide(token: string): Promise<Decision>
  /** Waits until no refresh of the key set is pending. A failed refresh does not reject. */
  settled(): Promise<void>
}

const API = 'https://api.example.com'

let number = 0

/** Creates a gate for the keys of the server. */
export function observe(server: Pick<AuthorizationServer, 'origin'>, options: ObserveOptions = {}): Observed {
  const issuer = server.origin
  const events: JwksEvent[] = []
  const gate = createGate({
    issuer,
    audience: AUDIENCE,
    jwksUri: `${issuer}/jwks`,
    cache: false,
    ...options,
    onJwks: (event) => {
      events.push(event)
      return options.onJwks?.(event)
    },
  })
  const decide = async (token: string) =>
    gate.authenticate(new Request(API, { headers: { authorization: `Bearer ${token}` } }))
  const send = async (token: string) => {
    const decision = await decide(token)
    return decision.ok ? 'ok' : decision.reason
  }
  return {
    gate,
    events,
    decide,
    send,
    begin: (token) => {
      const begun: { outcome: string | undefined; answered: Promise<string> } = {
        outcome: undefined,
        answered: send(token).then((outcome) => {
          begun.outcome = outcome
          return outcome
        }),
      }
      return begun
    },
    ask: async (key, claims = {}) => send(await tokenOf(key, issuer, claims)),
    settled: async () => {
      const pending: PromiseLike<unknown>[] = []
      // A request without a token is decided at once and fetches nothing. Its `waitUntil` gets the background work.
      await gate.authenticate(new Request(API), { waitUntil: (work) => void pending.push(work) })
      await Promise.all(pending)
    },
  }
}

/** Runs everything that waits only for the event loop. A request that is pending afterwards waits for time or a server. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Signs a new token that is valid for ten minutes on the wall clock. */
export function tokenOf(
  key: Pick<TestKey, 'sign'>,
  issuer: string,
  claims: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  number += 1
  return key.sign({ iss: issuer, iat: now, exp: now + 600, jti: `t${number}`, ...claims })
}

/** Builds a token with this `kid` and an invented signature. */
export function forgedToken(issuer: string, kid: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const header = part({ alg: 'ES256', typ: 'at+jwt', kid })
  const payload = part({ iss: issuer, aud: AUDIENCE, sub: 'mallory', iat: now, exp: now + 600 })
  return `${header}.${payload}.${SIGNATURE}`
}

/** Returns the token with an invented signature. */
export function withForgedSignature(token: string): string {
  return `${token.slice(0, token.lastIndexOf('.'))}.${SIGNATURE}`
}

const SIGNATURE = Buffer.alloc(64, 7).toString('base64url')
