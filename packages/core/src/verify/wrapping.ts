/** Provides the base class of verifiers that add something to another one, and forward everything else. */

import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { VerifierExplanation } from '../observe/explain.ts'
import type { PresentedToken } from './presented.ts'
import type { Active, Verification } from './verification.ts'
import type { CanVerify, Explainers, TokenVerifier } from './verifier.ts'

/** All members of a verifier, none of them optional. With it, a new member of the interface is a type error here. */
type Complete<T> = { [Name in keyof Required<T>]: T[Name] }

/**
 * Forwards every member of `TokenVerifier` except `verify`. A wrapper extends it, so that it cannot forget one: a forgotten
 * `isStillValid` would accept tokens of a removed key, a forgotten `close` would keep fetching.
 */
export abstract class WrappingVerifier<I extends Identity<unknown>> implements Complete<TokenVerifier<I>> {
  readonly #inner: TokenVerifier<I>

  constructor(inner: TokenVerifier<I>) {
    this.#inner = inner
  }

  /** The wrapped verifier. */
  protected get inner(): TokenVerifier<I> {
    return this.#inner
  }

  abstract verify(token: string, presented?: PresentedToken): Verification<I> | Promise<Verification<I>>

  get issuers(): readonly string[] {
    return this.inner.issuers ?? []
  }

  get clockTolerance(): Seconds | undefined {
    return this.inner.clockTolerance
  }

  getCached(hash: string): Verification<I> | undefined {
    return this.inner.getCached?.(hash)
  }

  canVerify(token: string, presented?: PresentedToken): CanVerify | Promise<CanVerify> {
    return this.inner.canVerify?.(token, presented)
  }

  isStillValid(verification: Active<I>): boolean {
    return this.inner.isStillValid?.(verification) ?? true
  }

  get backgroundWork(): Promise<unknown> | undefined {
    return this.inner.backgroundWork
  }

  async ready(): Promise<void> {
    await this.inner.ready?.()
  }

  close(): void {
    this.inner.close?.()
  }

  describe(): object {
    return this.inner.describe?.() ?? {}
  }

  explain(presented: PresentedToken, explainers: Explainers): Promise<VerifierExplanation<I>> {
    return explainers.by(this.inner, presented)
  }
}
