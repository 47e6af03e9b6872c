/** Tokens with whatever bytes a test puts in them, signed right by node:crypto, and what a gate says to them. */

import { generateKeyPairSync, sign } from 'node:crypto'
import { createGate, type Gate, type IssuerGateOptions, type RequestLike } from '@bearergate/core'
import { AUDIENCE, goodClaims, ISSUER, NOW } from './issuer.ts'

export interface Forge {
  readonly jwk: Readonly<Record<string, unknown>>
  /** Signs the very bytes that are given. */
  sign(payload: string | Uint8Array, header?: string | Uint8Array): string
}

export const FORGED_HEADER = '{"alg":"ES256","kid":"forge","typ":"at+jwt"}'

export function createForge(): Forge {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // workerd signs in this form of signature with a key as a text only.
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: 'forge' },
    sign(payload, header = FORGED_HEADER) {
      const input = `${base64url(header)}.${base64url(payload)}`
      const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
      return `${input}.${base64url(signature)}`
    },
  }
}

export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url')
}

/** The JSON text of good claims, with members replaced by the text that is given; `undefined` leaves one out. */
export function claimsText(members: Readonly<Record<string, string | undefined>> = {}): string {
  const good = Object.fromEntries(
    Object.entries(goodClaims()).map(([name, value]) => [name, JSON.stringify(value)]),
  )
  const written = Object.entries({ ...good, ...members }).filter(([, text]) => text !== undefined)
  return `{${written.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`
}

export function gateOfForge({ jwk }: Forge, options: Partial<IssuerGateOptions> = {}): Gate {
  const given = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [jwk] }, now: () => NOW * 1000 }
  return createGate({ ...given, ...options } as IssuerGateOptions)
}

export function requestWith(token: string): RequestLike {
  return { header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) }
}

/** `ok`, or status and reason of the refusal. */
export async function outcome(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

/** The status of the answer: 200 if the gate allows the request. */
export async function statusOf(gate: Gate, token: string): Promise<number> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? 200 : decision.status
}

/** A token with good claims and a made-up signature. What is `undefined` in the header or the claims is left out. */
export function unsignedToken(header: object, claims: object): string {
  const payload = JSON.stringify({ ...goodClaims(), ...claims })
  return [JSON.stringify({ alg: 'ES256', ...header }), payload, new Uint8Array(64).fill(7)]
    .map(base64url)
    .join('.')
}
