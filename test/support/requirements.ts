/** An identity that requirements are checked for, and what a gate answers if it does not meet them. */

import { createGate, type Decision, type Identity, type SyncRequirement } from '@bearergate/core'
import { NOW } from './issuer.ts'

export const emma: Identity = {
  kind: 'jwt',
  subject: 'emma',
  audience: [],
  scopes: ['read', 'write'],
  roles: ['editor'],
  acr: 'silver',
  authenticatedAt: NOW - 100,
  claims: { plan: 'pro', level: 3, verified: true, groups: ['a', 'b'] },
}

export const gateOf = (settings: object = {}) =>
  createGate({
    verifier: { verify: () => ({ active: true, identity: emma }) },
    now: () => NOW * 1000,
    ...settings,
  })

export function judge(
  required: SyncRequirement<Identity>,
  identity: Identity = emma,
  settings: object = {},
): string {
  const decision: Decision = gateOf(settings).authorize(identity, required)
  if (decision.ok) return 'ok'
  const challenge = String(decision.headers['WWW-Authenticate'] ?? '').replace(
    /error_description="[^"]*"/,
    '…',
  )
  return `${decision.status} ${challenge.replace('Bearer realm="api", ', '')}`
}

export const tooLittle = (scopes?: string) =>
  `403 error="insufficient_scope", …${scopes ? `, scope="${scopes}"` : ''}`
export const stepUp = (parameters: string) => `401 error="insufficient_user_authentication", …, ${parameters}`

/** Calls a function with arguments that its types do not allow. */
export const call =
  (make: unknown, ...given: unknown[]) =>
  () =>
    (make as (...all: unknown[]) => unknown)(...given)
