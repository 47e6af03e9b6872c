/** Creates gates from their options. */

import type { Identity } from '../model/identity.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { gateOf } from './gate.ts'
import type { Gate } from './interface.ts'
import type {
  AllowedIdentity,
  AllowedUser,
  IssuerGateOptions,
  UserObject,
  VerifierGateOptions,
} from './options.ts'
import { gateParts } from './parts.ts'

/**
 * Creates a gate for the JWT access tokens of one issuer, or for the tokens of a verifier.
 *
 * With `optional` the identity of an allowed request may be `undefined`.
 *
 * @example
 * const gate = createGate({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function createGate<
  V extends Identity<unknown> = Identity,
  Anonymous extends boolean = false,
  User extends UserObject = never,
>(
  options: VerifierGateOptions<V, Anonymous, User>,
): Gate<AllowedIdentity<V, Anonymous>, AllowedUser<User, Anonymous>>
export function createGate<
  Claims = RawClaims,
  Anonymous extends boolean = false,
  User extends UserObject = never,
>(
  options: IssuerGateOptions<Claims, Anonymous, User>,
): Gate<AllowedIdentity<Identity<Claims>, Anonymous>, AllowedUser<User, Anonymous>>
export function createGate<V extends Identity<unknown>>(options: object): unknown {
  return gateOf(gateParts(options as Partial<VerifierGateOptions<V, boolean>>))
}
