/** Stage 4 of a gate: decides whether an identity may pass, and loads its user. */

import { authorize } from '../authorize/requirement.ts'
import { mapMaybe } from '../lib/promise.ts'
import type { TokenSource } from '../model/credentials.ts'
import { foundIn, type Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import type { RequestLike } from '../request/request.ts'
import type { Active } from '../verify/verification.ts'
import type { Outcome } from './decisions.ts'
import type { GateParts } from './parts.ts'
import { passed } from './passed.ts'
import type { RevocationHash } from './revocation-check.ts'

export const REVOKED: Rejection = { reason: 'revoked' }
const EXPIRED: Rejection = { reason: 'expired' }
export const UNKNOWN_USER: Rejection = { reason: 'unknown_user' }

type Result<V extends Identity<unknown>> = Outcome<V | undefined> | PromiseLike<Outcome<V | undefined>>

export class Admission<V extends Identity<unknown>> {
  readonly #parts: Pick<GateParts<V>, 'required' | 'context' | 'users' | 'caching' | 'revocations'>
  readonly #gate: object

  constructor(
    parts: Pick<GateParts<V>, 'required' | 'context' | 'users' | 'caching' | 'revocations'>,
    gate: object,
  ) {
    this.#parts = parts
    this.#gate = gate
  }

  /** Whether the `requirement` or `loadUser` may read the request. */
  get readsRequest(): boolean {
    return this.#parts.required !== undefined || this.#parts.users !== undefined
  }

  /** Checks the `requirement`, and then loads the user. */
  decide(identity: V, source: TokenSource, request: RequestLike | undefined): Result<V> {
    const { required, context } = this.#parts
    if (required === undefined) return this.#pass(identity, source, request)
    return mapMaybe(
      authorize(identity, required, context, request as RequestLike),
      (rejection): Result<V> => rejection ?? this.#pass(identity, source, request),
    )
  }

  /** Checks again what may have changed while a `requirement` or `loadUser` was pending: revocation and expiry. */
  async confirm(
    pending: PromiseLike<Outcome<V | undefined>>,
    { identity, expiresAt = identity.expiresAt }: Active<V>,
    hash: RevocationHash,
  ): Promise<Outcome<V | undefined>> {
    const { context, revocations } = this.#parts
    const outcome = await pending
    if (isRejection(outcome)) return outcome
    if (expiresAt !== undefined && context.now() >= expiresAt) return EXPIRED
    return (await revocations.isInStore(identity, hash)) ? REVOKED : outcome
  }

  /** Allows a request that has passed all checks, with its user if the gate has `loadUser`. */
  #pass(identity: V, source: TokenSource, request: RequestLike | undefined): Result<V> {
    const { users, caching } = this.#parts
    const located = foundIn(identity, source)
    const headers = caching.of(source)
    if (users === undefined) return passed<V | undefined>(located, headers)
    const gate = this.#gate
    return mapMaybe(
      users.of(located, request as RequestLike),
      (user): Outcome<V | undefined> =>
        user === undefined ? UNKNOWN_USER : passed<V | undefined>(located, headers, { user, gate }),
    )
  }
}
