/**
 * Verifies several kinds of tokens. The text of a token selects its verifier (RFC 8725 §3.8).
 *
 * If every verifier were asked for every token, an attacker could present the token of one issuer to the verifier of another,
 * and an outage of one would delay all. A verifier that recognizes its tokens by their text says so in `canVerify`.
 */

import { configurationError } from '../lib/configuration-error.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { VerifierExplanation } from '../observe/explain.ts'
import { checked, markBuiltIn } from './checked.ts'
import { foreignIssuer } from './jwt/claims.ts'
import { claimedTwice } from './ownership.ts'
import { PresentedToken } from './presented.ts'
import { type Active, type Inactive, inactive, isInactive, type Verification } from './verification.ts'
import {
  allBackgroundWork,
  type CanVerify,
  type Explainers,
  largestTolerance,
  type TokenVerifier,
} from './verifier.ts'

/**
 * Verifies tokens with several verifiers. A verifier can recognize its own tokens by their text: `jwt` those of its issuer, and
 * `opaque` those with its `prefix`. Only that verifier then verifies the token. A token that no verifier recognizes goes to the
 * other verifiers in turn, until one of them knows it. If a verifier is unavailable, the chain still asks the next ones. If no
 * verifier knows the token and one of them was unavailable, the answer is 503, because that one might know the token.
 *
 * @example
 * const verifier = chain(jwt({ issuer, audience }), opaque({ prefix: 'acme', lookup }), staticTokens(services))
 * @throws TypeError if there is no verifier, an argument is not a verifier, or two of them are for the JWTs of one issuer
 */
export function chain<Identities extends readonly [Identity<unknown>, ...Identity<unknown>[]]>(
  ...verifiers: { readonly [Index in keyof Identities]: TokenVerifier<Identities[Index]> }
): TokenVerifier<Identities[number]> {
  if (Array.isArray(verifiers[0]))
    throw configurationError(
      'INVALID_VERIFIER',
      '"chain" takes verifiers as arguments, but received an array: write chain(one, two), or chain(...verifiers)',
    )
  if (verifiers.length === 0)
    throw configurationError('INVALID_OPTION', '"chain" needs at least one verifier')
  const made = chainOf(verifiers)
  const twice = claimedTwice(made.members)
  if (twice !== undefined)
    throw configurationError(
      'CONFLICTING_OPTIONS',
      `"chain" has two verifiers for the JWTs of ${twice}: the second one would never verify a token`,
    )
  return made as TokenVerifier<Identity<unknown>> as TokenVerifier<Identities[number]>
}

/** A verifier of the chain. */
type Member = TokenVerifier<Identity<unknown>>
type Verified = Verification<Identity<unknown>>

/** Creates a chain for a clock. A chain has no clock itself: it uses the clock of its gate, or of the cache around it. */
function chainOf(verifiers: readonly Member[], now?: () => number): Chain {
  const members = verifiers.map((member) => checked('chain', member, now))
  return markBuiltIn(new Chain(members), (clock) => chainOf(verifiers, clock))
}

/**
 * Chooses the verifier of each token, and forwards the rest of the interface to all of them.
 *
 * The methods below recurse instead of looping with `await`, because a chain of synchronous verifiers must stay synchronous:
 * only then does a request with a cached token need no turn of the event loop.
 */
class Chain implements TokenVerifier<Identity<unknown>> {
  readonly members: readonly Member[]
  /** The member that returned a valid result. Each chain has its own, because chains can be nested. */
  readonly #makers = new WeakMap<object, Member>()

  constructor(members: readonly Member[]) {
    this.members = members
  }

  get clockTolerance(): Seconds | undefined {
    return largestTolerance(this.members)
  }

  get issuers(): readonly string[] {
    return [...new Set(this.members.flatMap((member) => member.issuers ?? []))]
  }

  get backgroundWork(): Promise<unknown> | undefined {
    return allBackgroundWork(this.members)
  }

  verify(token: string, presented = new PresentedToken(token)): Verified | Promise<Verified> {
    return this.#choose(0, [], presented) as Verified | Promise<Verified>
  }

  /**
   * Returns only results of this chain. A member that is also used elsewhere may have cached tokens that another member of this
   * chain recognizes as its own.
   */
  getCached(hash: string): Verified | undefined {
    for (const member of this.members) {
      const known = cachedResult(member, hash)
      if (known !== undefined && this.#makers.get(known) === member) return known
    }
    return undefined
  }

  canVerify(token: string, presented = new PresentedToken(token)): CanVerify | Promise<CanVerify> {
    return this.#owns(0, false, presented)
  }

  /** A result that did not come from this chain is not valid: no member could tell whether its key is still published. */
  isStillValid(verification: Active<Identity<unknown>>): boolean {
    const maker = this.#makers.get(verification)
    return maker !== undefined && (maker.isStillValid?.(verification) ?? true)
  }

  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ready?.()))
  }

  close(): void {
    for (const member of this.members) member.close?.()
  }

  describe(): object {
    return { kind: 'chain', verifiers: this.members.map((member) => member.describe?.() ?? {}) }
  }

  explain(
    presented: PresentedToken,
    explainers: Explainers,
  ): Promise<VerifierExplanation<Identity<unknown>>> {
    return explainers.chain(this.members, this.issuers, presented)
  }

  /**
   * Returns whether the chain handles a token: `true` if one member recognizes it as its own, `false` if all members reject it.
   * @param isOpen whether a member before `index` may know the token
   */
  #owns(index: number, isOpen: boolean, presented: PresentedToken): CanVerify | Promise<CanVerify> {
    const member = this.members[index]
    if (member === undefined) return isOpen ? undefined : false
    return mapMaybe<CanVerify, CanVerify>(
      member.canVerify?.(presented.text, presented),
      (answer) => answer === true || this.#owns(index + 1, isOpen || answer === undefined, presented),
    )
  }

  /**
   * Finds the member that recognizes a token as its own. If there is none, asks all members that may know it.
   * @param others the members before `index` that may know the token
   */
  #choose(
    index: number,
    others: readonly Member[],
    presented: PresentedToken,
  ): Verified | PromiseLike<Verified> {
    const member = this.members[index]
    if (member === undefined) {
      if (others.length > 0) return this.#askInTurn(others, presented)
      return isInactive(presented.jws)
        ? presented.jws
        : foreignIssuer(presented.unverifiedIssuer, this.issuers)
    }
    return mapMaybe<CanVerify, Verified>(member.canVerify?.(presented.text, presented), (answer) =>
      answer === true
        ? this.#ask(member, presented)
        : this.#choose(index + 1, answer === undefined ? [...others, member] : others, presented),
    )
  }

  /**
   * Asks members in turn until one knows the token. `unknown_token` means that the next one is asked. Any other rejection is
   * final, because that member has recognized the token.
   * @param failure of a verifier before these. It counts only if no other verifier knows the token
   */
  #askInTurn(
    [member, ...others]: readonly Member[],
    presented: PresentedToken,
    failure?: { readonly cause: unknown },
  ): Verified | PromiseLike<Verified> {
    if (member === undefined) {
      if (failure !== undefined) throw failure.cause
      return this.#unknown(presented)
    }
    const settle = (verification: Verified) =>
      verification.active || verification.reason !== 'unknown_token'
        ? verification
        : this.#askInTurn(others, presented, failure)
    const fail = (cause: unknown) => this.#askInTurn(others, presented, failure ?? { cause })
    let answer: Verified | PromiseLike<Verified>
    try {
      answer = this.#ask(member, presented)
    } catch (cause) {
      return fail(cause)
    }
    if (!isPromiseLike(answer)) return settle(answer)
    // The method "canVerify" of the members decoded the token. No member needs the decoded token while it waits.
    presented.forgetDecoded()
    return Promise.resolve(answer).then(settle, fail)
  }

  /** Rejects a token that no verifier knows. For a JWT, operators see how its issuer differs from the known ones. */
  #unknown(presented: PresentedToken): Inactive {
    const iss = presented.unverifiedIssuer
    if (iss === undefined || this.issuers.includes(iss)) return inactive('unknown_token')
    const foreign = foreignIssuer(iss, this.issuers)
    return inactive('unknown_token', () => foreign.detail)
  }

  /** Lets a member verify a token, and remembers for a valid result which member returned it. */
  #ask(member: Member, presented: PresentedToken): Verified | PromiseLike<Verified> {
    // The result of a verifier without a cache is not from the cache of the one before.
    if (presented.cacheUse !== undefined) presented.cacheUse.isHit = false
    return mapMaybe<Verified, Verified>(member.verify(presented.text, presented), (verification) => {
      if (verification.active) this.#makers.set(verification, member)
      return verification
    })
  }
}

/** Returns the cached result of a member, or `undefined` if it has none or throws. */
function cachedResult(member: Member, hash: string): Verified | undefined {
  try {
    return member.getCached?.(hash)
  } catch {
    return undefined
  }
}
