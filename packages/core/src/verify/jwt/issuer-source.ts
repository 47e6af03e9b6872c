/** Defines how the verifiers of several issuers are found, and implements the list that never changes. */

import { readOptions } from '../../lib/assert.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { JwtVerifier } from './jwt.ts'
import { ISSUER_OPTIONS, type IssuerOptions } from './options.ts'

/** The verifier of an issuer. `undefined` if the issuer is not trusted. */
export type Found<Claims> = JwtVerifier<Claims> | undefined

/** Finds the verifiers of trusted issuers. The issuer of a token is not verified when it is looked up. */
export interface IssuerSource<Claims> {
  /** The issuers that are known before any token. */
  readonly names: readonly string[]
  /** Finds the verifier of an issuer. Synchronous if it is available. */
  find(issuer: string): Found<Claims> | Promise<Found<Claims>>
  /** Returns the verifier of an issuer if it is available and still valid. */
  held(issuer: string): Found<Claims>
  /** Returns all verifiers that are available. */
  all(): readonly JwtVerifier<Claims>[]
  /** Whether the issuer may be trusted. `false` if it certainly is not. */
  owns(issuer: string): boolean
  /** Called for each issuer of which a token was verified. */
  proved?(issuer: string): void
  /** Closes all verifiers, and finds no more of them. */
  close(): void
}

/** Finds issuers in a list. Their verifiers are created with it, so a wrong option is an error at creation. */
export class StaticIssuers<Claims> implements IssuerSource<Claims> {
  readonly #verifiers: ReadonlyMap<string, JwtVerifier<Claims>>

  /** @throws TypeError if the list is empty, an option is impossible, or an issuer is listed twice */
  constructor(list: readonly IssuerOptions<Claims>[], now: () => number) {
    if (!Array.isArray(list) || list.length === 0)
      throw configurationError(
        'INVALID_OPTION',
        'the first argument of "multiIssuerJwt" must be a non-empty array of options, or a function',
      )
    const verifiers = [...list].map(
      (options) =>
        [
          options?.issuer,
          new JwtVerifier<Claims>(readOptions('multiIssuerJwt', options, ISSUER_OPTIONS), now),
        ] as const,
    )
    if (verifiers.some(([issuer]) => issuer === null))
      throw configurationError(
        'INVALID_OPTION',
        '"issuer" must not be null, because "multiIssuerJwt" finds an issuer by the "iss" of a token. For tokens without "iss", write chain(multiIssuerJwt(…), jwt({ issuer: null, … }))',
      )
    this.#verifiers = new Map(verifiers as (readonly [string, JwtVerifier<Claims>])[])
    if (this.#verifiers.size < verifiers.length)
      throw configurationError('INVALID_OPTION', '"multiIssuerJwt" has an "issuer" twice')
  }

  get names(): readonly string[] {
    return [...this.#verifiers.keys()]
  }

  find(issuer: string): Found<Claims> {
    return this.#verifiers.get(issuer)
  }

  held(issuer: string): Found<Claims> {
    return this.#verifiers.get(issuer)
  }

  all(): readonly JwtVerifier<Claims>[] {
    return [...this.#verifiers.values()]
  }

  owns(issuer: string): boolean {
    return this.#verifiers.has(issuer)
  }

  close(): void {
    for (const verifier of this.all()) verifier.close()
  }
}
