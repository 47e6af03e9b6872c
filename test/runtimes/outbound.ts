/** Asks an authorization server as a gate does, once for each line that it reads, and writes what came of it as a line of JSON. */

import { createInterface } from 'node:readline'
import { createGate, type Gate, introspection } from '@bearergate/core'

export interface Task {
  /** `keys`: a new gate for each line, which fetches metadata and keys. */
  readonly kind: 'introspection' | 'keys'
  readonly issuer: string
  readonly token: string
}

/** What came of one line. */
export interface Outcome {
  readonly status: number
  /** How long it took. */
  readonly seconds: number
  readonly reason: string | undefined
}

const audience = 'https://api.example.com'
const { kind, issuer, token } = JSON.parse(process.argv[2] ?? '') as Task

function gateOf(): Gate {
  if (kind === 'keys') return createGate({ issuer, audience, timeout: 3, onJwks: note })
  const client = { clientId: 'api', clientSecret: 'secret' }
  const verifier = introspection({ issuer, ...client, audience, timeout: 3, onIntrospection: note })
  return createGate({ verifier })
}

let reason: string | undefined
function note(event: { readonly type: string; readonly cause?: unknown }): void {
  if (event.type !== 'failed') return
  const messages: string[] = []
  for (let cause = event.cause; cause instanceof Error; cause = cause.cause) messages.push(cause.message)
  reason = messages.join(': ')
}

const shared = gateOf()
async function ask(line: string): Promise<void> {
  const gate = kind === 'keys' ? gateOf() : shared
  const began = performance.now()
  reason = undefined
  const headers = { authorization: `Bearer ${kind === 'keys' ? token : line}` }
  const decision = await gate.authenticate(new Request(audience, { headers }))
  const status = decision.ok ? 200 : decision.status
  const outcome: Outcome = { status, seconds: (performance.now() - began) / 1000, reason }
  console.log(JSON.stringify(outcome))
}

for await (const line of createInterface({ input: process.stdin })) void ask(line)
