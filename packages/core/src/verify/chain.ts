/** Several kinds of tokens behind one gate: each token has one verifier, chosen by its text (RFC 8725 §3.8). */

import type { Identity } from '../identity.ts'
import { after, disown } from '../options.ts'
import { Unavailable } from '../rejection.ts'
import { checkText } from './jws.ts'
import {
  type Active,
  type Inactive,
  inactive,
  isTrusted,
  type TokenVerifier,
  tokenVerifier,
  type Verification,
} from './verifier.ts'

/**
 * Verifies tokens by several verifiers. The one that owns a token by its text judges it alone: a JWT is that of the
 * verifier for its issuer, a token with a prefix that of its `opaque`. A token that nobody owns goes to the others in
 * turn, until one of them knows it.
 *
 * @example
 * const verifier = chain(jwt({ issuer, audience }), opaque({ prefix: 'acme', lookup }), staticTokens(services))
 * @throws TypeError where there is none, or one that is no verifier
 */
export function chain<Identities extends readonly [Identity<unknown>, ...Identity<unknown>[]]>(
  ...verifiers: { readonly [Index in keyof Identities]: TokenVerifier<Identities[Index]> }
): TokenVerifier<Identities[number]> {
  if (verifiers.length === 0) throw new TypeError('"chain" needs at least one verifier')
  const members = verifiers.map((member) => tokenVerifier('chain', member))
  return new Chain(members) as TokenVerifier<Identity<unknown>> as TokenVerifier<Identities[number]>
}

type Verified = Verification<Identity<unknown>>

const MAKER = Symbol('maker')
type Made = Active<Identity<unknown>> & { readonly [MAKER]?: TokenVerifier<Identity<unknown>> }

class Chain implements TokenVerifier<Identity<unknown>> {
  readonly #members: readonly TokenVerifier<Identity<unknown>>[]
  /** Who made a result that may cease to hold. */
  readonly #makers = new WeakMap<object, TokenVerifier<Identity<unknown>>>()

  constructor(members: readonly TokenVerifier<Identity<unknown>>[]) {
    this.#members = members
  }

  owns(token: string): boolean | undefined {
    const answers = this.#members.map((member) => ownership(member, token))
    if (answers.includes(true)) return true
    return answers.every((answer) => answer === false) ? false : undefined
  }

  get issuers(): readonly string[] {
    return [...new Set(this.#members.flatMap((member) => member.issuers ?? []))]
  }

  verify(token: string): Verified | Promise<Verified> {
    const others: TokenVerifier<Identity<unknown>>[] = []
    for (const member of this.#members) {
      const answer = ownership(member, token)
      if (answer === true) return this.#ask(member, token) as Verified | Promise<Verified>
      if (answer === undefined) others.push(member)
    }
    return this.#askInTurn(others, token) as Verified | Promise<Verified>
  }

  holds(verification: Active<Identity<unknown>>): boolean {
    const maker = this.#makers.get(verification) ?? (verification as Made)[MAKER]
    return maker?.holds?.(verification) ?? true
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

  #askInTurn(
    [member, ...others]: readonly TokenVerifier<Identity<unknown>>[],
    token: string,
  ): Verified | PromiseLike<Verified> {
    if (member === undefined) return nobodys(token)
    return after<Verified, Verified>(this.#ask(member, token), (verification) => {
      const isUnknown = verification.active === false && verification.reason === 'unknown_token'
      return isUnknown && others.length > 0 ? this.#askInTurn(others, token) : verification
    })
  }

  #ask(member: TokenVerifier<Identity<unknown>>, token: string): Verified | PromiseLike<Verified> {
    return after<Verified, Verified>(member.verify(token), (verification) => {
      if (member.holds === undefined || !verification?.active) return verification
      // One that is not checked yet is copied when it is: the copy keeps what it carries.
      if (!isTrusted(verification)) return { ...verification, [MAKER]: member }
      this.#makers.set(verification, member)
      return verification
    })
  }
}

function ownership(member: TokenVerifier<Identity<unknown>>, token: string): boolean | undefined {
  const answer: unknown = member.owns?.(token)
  if (answer === undefined || typeof answer === 'boolean') return answer
  disown(answer)
  throw new Unavailable('"owns" gave neither true, false nor undefined')
}

/** Every member said that it is not for it. */
function nobodys(token: string): Inactive {
  return checkText(token) ?? inactive('wrong_issuer', 'iss is none of the issuers')
}
