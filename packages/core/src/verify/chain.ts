/** Verifies several kinds of tokens. The text of a token selects its verifier (RFC 8725 §3.8). */

import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { describeProblem, isValidated } from './checked.ts'
import { foreignIssuer } from './jwt/claims.ts'
import { claimedTwice, ownership } from './ownership.ts'
import { PresentedToken } from './presented.ts'
import {
  type Active,
  allBackgroundWork,
  type CanVerify,
  type Inactive,
  inactive,
  isInactive,
  largestTolerance,
  type TokenVerifier,
  tokenVerifier,
  type Verification,
} from './verifier.ts'

/**
 * Verifies tokens with several verifiers. If one of them claims a token by its text, only that one verifies it: `jwt` claims
 * the tokens of its issuer, and `opaque` those with its prefix. Any other token goes to the remaining verifiers in turn, until
 * one knows it. If one of them is unavailable, the next ones are still asked.
 *
 * @example
 * const verifier = chain(jwt({ issuer, audience }), opaque({ prefix: 'acme', lookup }), staticTokens(services))
 * @throws TypeError if there is no verifier, an argument is not a verifier, or two of them claim the JWTs of one issuer
 */
export function chain<Identities extends readonly [Identity<unknown>, ...Identity<unknown>[]]>(
  ...verifiers: { readonly [Index in keyof Identities]: TokenVerifier<Identities[Index]> }
): TokenVerifier<Identities[number]> {
  if (verifiers.length === 0) throw new TypeError('"chain" needs at least one verifier')
  const members = verifiers.map((member) => tokenVerifier('chain', member))
  const twice = claimedTwice(members)
  if (twice !== undefined)
    throw new TypeError(`"chain" has two verifiers for the JWTs of ${twice}: the second would never be asked`)
  return new Chain(members) as TokenVerifier<Identity<unknown>> as TokenVerifier<Identities[number]>
}

type Verified = Verification<Identity<unknown>>

type Made = Readonly<Record<symbol, TokenVerifier<Identity<unknown>> | undefined>>

class Chain implements TokenVerifier<Identity<unknown>> {
  readonly #members: readonly TokenVerifier<Identity<unknown>>[]
  /** Each chain has its own, because chains can be nested. */
  readonly #maker = Symbol('maker')
  /** The member that returned a result, for results that can become invalid. */
  readonly #makers = new WeakMap<object, TokenVerifier<Identity<unknown>>>()

  constructor(members: readonly TokenVerifier<Identity<unknown>>[]) {
    this.#members = members
  }

  canVerify(token: string, presented = new PresentedToken(token)): CanVerify | Promise<CanVerify> {
    return this.#owns(0, false, presented)
  }

  /** @param isOpen whether one before `index` may know the token */
  #owns(index: number, isOpen: boolean, presented: PresentedToken): CanVerify | Promise<CanVerify> {
    const member = this.#members[index]
    if (member === undefined) return isOpen ? undefined : false
    return mapMaybe<CanVerify, CanVerify>(
      ownership(member, presented),
      (answer) => answer === true || this.#owns(index + 1, isOpen || answer === undefined, presented),
    )
  }

  get clockTolerance(): Seconds | undefined {
    return largestTolerance(this.#members)
  }

  get issuers(): readonly string[] {
    return [...new Set(this.#members.flatMap((member) => member.issuers ?? []))]
  }

  /** Returns only results of this chain. A member that is also used elsewhere may know tokens that another one claims here. */
  getCached(hash: string): Active<Identity<unknown>> | undefined {
    for (const member of this.#members) {
      const known = recalled(member, hash)
      if (known !== undefined && this.#makers.get(known) === member) return known
    }
    return undefined
  }

  verify(token: string, presented = new PresentedToken(token)): Verified | Promise<Verified> {
    return this.#choose(0, [], presented) as Verified | Promise<Verified>
  }

  isStillValid(verification: Active<Identity<unknown>>): boolean {
    const maker = this.#makers.get(verification) ?? (verification as unknown as Made)[this.#maker]
    return maker?.isStillValid?.(verification) ?? true
  }

  get backgroundWork(): Promise<unknown> | undefined {
    return allBackgroundWork(this.#members)
  }

  async ready(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.ready?.()))
  }

  close(): void {
    for (const member of this.#members) member.close?.()
  }

  describe(): object {
    return { kind: 'chain', verifiers: this.#members.map((member) => member.describe?.() ?? {}) }
  }

  /** @param others those before `index` that may know the token */
  #choose(
    index: number,
    others: readonly TokenVerifier<Identity<unknown>>[],
    presented: PresentedToken,
  ): Verified | PromiseLike<Verified> {
    const member = this.#members[index]
    if (member === undefined) {
      if (others.length > 0) return this.#askInTurn(others, presented)
      return isInactive(presented.jws)
        ? presented.jws
        : foreignIssuer(presented.unverifiedIssuer, this.issuers)
    }
    return mapMaybe<CanVerify, Verified>(ownership(member, presented), (answer) =>
      answer === true
        ? this.#ask(member, presented)
        : this.#choose(index + 1, answer === undefined ? [...others, member] : others, presented),
    )
  }

  #askInTurn(
    [member, ...others]: readonly TokenVerifier<Identity<unknown>>[],
    presented: PresentedToken,
    failure?: { readonly cause: unknown },
  ): Verified | PromiseLike<Verified> {
    if (member === undefined) {
      if (failure !== undefined) throw failure.cause
      return this.#unknown(presented)
    }
    const judge = (verification: Verified) => {
      const problem = isValidated(verification) ? undefined : describeProblem(verification)
      if (problem !== undefined) return goOn(new UnavailableError(`A verifier of the chain gave ${problem}`))
      if (verification.active || verification.reason !== 'unknown_token') return verification
      return this.#askInTurn(others, presented, failure)
    }
    const goOn = (cause: unknown) => this.#askInTurn(others, presented, failure ?? { cause })
    let answer: Verified | PromiseLike<Verified>
    try {
      answer = this.#ask(member, presented)
    } catch (cause) {
      return goOn(cause)
    }
    if (!isPromiseLike(answer)) return judge(answer)
    // "canVerify" of the members decoded it. None of those that are asked in turn needs that while it waits.
    presented.forgetDecoded()
    return Promise.resolve(answer).then(judge, goOn)
  }

  /** Nobody knows it; of a JWT there is more to say to operators. */
  #unknown(presented: PresentedToken): Inactive {
    const iss = presented.unverifiedIssuer
    if (iss === undefined || this.issuers.includes(iss)) return inactive('unknown_token')
    return inactive('unknown_token', () => foreignIssuer(iss, this.issuers).detail)
  }

  #ask(
    member: TokenVerifier<Identity<unknown>>,
    presented: PresentedToken,
  ): Verified | PromiseLike<Verified> {
    return mapMaybe<Verified, Verified>(member.verify(presented.text, presented), (verification) => {
      if (member.isStillValid === undefined || !verification?.active) return verification
      // One that is not checked yet is copied when it is: the copy keeps what it carries.
      if (!isValidated(verification)) {
        const { identity, expiresAt } = verification
        return { ...verification, active: true, identity, expiresAt, [this.#maker]: member }
      }
      this.#makers.set(verification, member)
      return verification
    })
  }
}

/** Returns the cached result of a member, or `undefined` if it has none or throws. */
function recalled(
  member: TokenVerifier<Identity<unknown>>,
  hash: string,
): Active<Identity<unknown>> | undefined {
  try {
    return member.getCached?.(hash)
  } catch {
    return undefined
  }
}
