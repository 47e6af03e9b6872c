/** Runs the stages for each request: extract → verify → prove → authorize → Decision. Read this file first. */

import type { MetadataResponse } from '../answer/metadata.ts'
import type { CorsMiddleware } from '../answer/preflight.ts'
import { authorize, type Requirement, type Rule, toRequirement } from '../authorize/requirement.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Decision } from '../model/decision.ts'
import { foundIn, type Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import { prove } from '../prove/prove.ts'
import { type RequestLike, toRequestLike } from '../request/request.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { isRespelled } from '../verify/jwt/jws.ts'
import type { PresentedToken } from '../verify/presented.ts'
import { inactive, type Verification } from '../verify/verification.ts'
import { toleranceOf } from '../verify/verifier.ts'
import { getToken } from './attachments.ts'
import type { Outcome } from './decisions.ts'
import { type Background, keepAlive } from './keep-alive.ts'
import type { AllowedIdentity, IssuerGateOptions, OnDenied, VerifierGateOptions } from './options.ts'
import { type GateParts, gateParts } from './parts.ts'
import { passed } from './passed.ts'
import { type ProtectedHandler, protect } from './protect.ts'
import type { Revocation } from './revoke.ts'
import { FoundToken } from './token-finder.ts'

/** Decides whether requests may pass. One gate serves any number of requests, hosts and frameworks. */
export interface Gate<I extends Identity<unknown> | undefined = Identity> {
  /** Who answers a rejected request in Express and Koa. */
  readonly onDenied: OnDenied
  /** The CORS middleware that answers preflights, if `allowPreflight` is one. */
  readonly cors: CorsMiddleware | undefined
  /**
   * Decides whether a request may pass. Never throws or rejects. Returns the decision itself, not a promise, if the verifier
   * has the result at hand.
   * @param request a fetch `Request`, or a `RequestLike` made of any other request
   * @param background keeps the runtime awake for work that continues after the answer, such as the `ctx` of a Worker
   */
  authenticate(request: Request | RequestLike, background?: Background): Decision<I> | Promise<Decision<I>>
  /**
   * Decides whether an identity meets a requirement. If it does not: 403 with every scope that is needed (RFC 6750 §3.1), or
   * 401 if a stronger authentication is needed (RFC 9470). Without an identity: 401. Never throws.
   */
  authorize(identity: I, required: Requirement<NonNullable<I>>): Decision<I>
  /**
   * Returns a fetch handler that calls yours if the request may pass, and answers it otherwise. Further arguments of the
   * runtime, such as `env` and `ctx`, are passed on.
   * @throws TypeError if the handler is not a function
   */
  protect<Rest extends unknown[]>(
    handler: ProtectedHandler<I, Rest>,
  ): (request: Request, ...rest: Rest) => Promise<Response>
  /**
   * Returns the raw token of a request that passed, to forward it to another API. The token is a secret: do not log or store
   * it. No identity, event or error contains it.
   * @param request the request, the event of Lambda, the `req` of Express, the `ctx` of Koa, or an allowed decision
   * @throws TypeError if this gate did not let the request pass, or `optional` let it pass without a token
   */
  tokenOf(request: object): string
  /**
   * Returns the answer to a request for the metadata of the protected resource, which needs no token (RFC 9728 §3), and
   * `undefined` for any other request. `protect` and the middleware of Express and Koa call it themselves.
   */
  metadata(request: Request | RequestLike): MetadataResponse | undefined
  /**
   * Revokes a token, or all tokens of a subject. From now on this gate and every gate with the same `revocations` rejects
   * them, also if their result is cached or their verification is pending. An entry ends with its tokens.
   * @throws TypeError if it is not a revocation
   * @throws RangeError if the store is full
   */
  revoke(revocation: Revocation): Promise<void>
  /**
   * Fetches what the first request needs, such as the keys of the issuer. Optional: otherwise the first request fetches them.
   * @throws UnavailableError if they cannot be fetched now
   */
  ready(): Promise<void>
  /**
   * Aborts pending fetches and starts no more, if the gate created its verifier. Cached keys and results stay usable;
   * everything else is answered 503. A `verifier` that you passed may serve other gates, so close it yourself.
   */
  close(): void
  /** Returns the configuration and the state as plain data without secrets, for operators. */
  describe(): GateDescription
}

export interface GateDescription {
  readonly realm: string
  /** The URL of the metadata, if the gate has a `resource`. */
  readonly metadataUrl?: string | undefined
  /** How many revocations count now. */
  readonly revocations: number
  /** What `describe` of the verifier returns. For `jwt` a `JwtDescription`; with a cache also `cache: { max, entries }`. */
  readonly verifier: object
}

/**
 * Creates a gate for the JWT access tokens of one issuer, or for the tokens of a verifier.
 *
 * With `optional` the identity of an allowed request may be `undefined`.
 *
 * @example
 * const gate = createGate({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function createGate<V extends Identity<unknown> = Identity, Anonymous extends boolean = false>(
  options: VerifierGateOptions<V, Anonymous>,
): Gate<AllowedIdentity<V, Anonymous>>
export function createGate<Claims = RawClaims, Anonymous extends boolean = false>(
  options: IssuerGateOptions<Claims, Anonymous>,
): Gate<AllowedIdentity<Identity<Claims>, Anonymous>>
export function createGate<V extends Identity<unknown>>(options: object): unknown {
  return Object.freeze(new BearerGate<V>(gateParts(options as Partial<VerifierGateOptions<V, boolean>>)))
}

const REVOKED: Rejection = { reason: 'revoked' }
const RESPELLED = inactive('malformed_token', 'a JWT, but not in base64url without padding (RFC 7515 §2)')

type Maybe<T> = T | PromiseLike<T>

/** Public members are fields, so that they can be taken from the gate. */
class BearerGate<V extends Identity<unknown>> implements Gate<V | undefined> {
  readonly onDenied: OnDenied
  readonly cors: CorsMiddleware | undefined
  readonly #parts: GateParts<V>

  constructor(parts: GateParts<V>) {
    this.#parts = parts
    this.onDenied = parts.onDenied
    this.cors = parts.cors
  }

  readonly authenticate = (
    source: Request | RequestLike,
    background?: Background,
  ): Decision<V | undefined> | Promise<Decision<V | undefined>> => {
    try {
      const outcome = this.#run(toRequestLike(source))
      if (!isPromiseLike(outcome)) return this.#decide(outcome, background)
      // Other requests may wait for the same verification, and some runtimes end it when this client disconnects.
      if (background !== undefined) keepAlive(background, () => outcome)
      return this.#parts.deadline
        .within(outcome)
        .then((settled) => this.#decide(settled, background))
        .catch((cause) => this.#unavailable(cause, background))
    } catch (cause) {
      return this.#unavailable(cause, background)
    }
  }

  readonly authorize = (identity: V | undefined, required: Requirement<V>): Decision<V | undefined> => {
    const { decisions } = this.#parts
    try {
      return decisions.of(this.#authorize(identity, toRequirement('authorize', required)), 'authorize')
    } catch (cause) {
      return decisions.unavailable(cause, 'authorize')
    }
  }

  readonly protect = <Rest extends unknown[]>(
    handler: ProtectedHandler<V | undefined, Rest>,
  ): ((request: Request, ...rest: Rest) => Promise<Response>) => protect(this, handler)

  readonly tokenOf = (request: object): string => getToken(request, this)

  readonly metadata = (request: Request | RequestLike): MetadataResponse | undefined => {
    try {
      return this.#parts.resource?.answer(toRequestLike(request))
    } catch {
      return undefined // `authenticate` answers a request that cannot be read.
    }
  }

  readonly revoke = async (revocation: Revocation): Promise<void> =>
    this.#parts.revocations.revoke(revocation, this.#parts.context.now(), toleranceOf(this.#parts.verifier))

  readonly ready = async (): Promise<void> => this.#parts.verifier.ready?.()

  readonly close = (): void => {
    if (this.#parts.isOwn) this.#parts.verifier.close?.()
  }

  readonly describe = (): GateDescription => ({
    realm: this.#parts.realm,
    metadataUrl: this.#parts.resource?.url,
    revocations: this.#parts.revocations.size,
    verifier: this.#parts.verifier.describe?.() ?? {},
  })

  /**
   * Takes one request through all stages. Each stage answers at once if it can, so that a cached token costs no microtask.
   */
  #run(request: RequestLike): Maybe<Outcome<V | undefined>> {
    const { tokens, revocations, required, context, caching } = this.#parts
    // 1 extract: request → token
    return mapMaybe(tokens.find(request), (found): Maybe<Outcome<V | undefined>> => {
      if (!(found instanceof FoundToken)) return found
      const { source } = found
      // 2 verify: token → identity
      const verification = found.cached ?? this.#verify(found.presented)
      const hash = revocations.hashOf(found, isPromiseLike(verification))
      return mapMaybe(verification, (result): Maybe<Outcome<V | undefined>> => {
        if (!result.active) return result
        const { identity } = result
        // 3 prove: the client holds the key of the token
        const unproven = prove(identity)
        if (unproven !== undefined) return unproven
        return mapMaybe(revocations.isRevoked(identity, hash), (isRevoked): Outcome<V | undefined> => {
          if (isRevoked) return REVOKED
          // 4 authorize: the identity meets the requirement
          const rejection = authorize(identity, required, context)
          return rejection ?? passed<V | undefined>(foundIn(identity, source), caching.of(source), found.text)
        })
      })
    })
  }

  #verify(presented: PresentedToken): Maybe<Verification<V>> {
    return isRespelled(presented.text) ? RESPELLED : this.#parts.verifier.verify(presented.text, presented)
  }

  #authorize(identity: V | undefined, required: Rule): Outcome<V | undefined> {
    if (identity === undefined) return { reason: 'no_credentials' }
    return authorize(identity, required, this.#parts.context) ?? passed<V | undefined>(identity)
  }

  /** 5 answer: outcome → HTTP. Background work, such as a refresh of keys, goes on after the answer. */
  #decide(outcome: Outcome<V | undefined>, background: Background | undefined): Decision<V | undefined> {
    const decision = this.#parts.decisions.of(outcome, 'authenticate')
    if (background !== undefined) keepAlive(background, () => this.#parts.verifier.backgroundWork)
    return decision
  }

  #unavailable(cause: unknown, background: Background | undefined): Decision<V | undefined> {
    const decision = this.#parts.decisions.unavailable(cause, 'authenticate')
    if (background !== undefined) keepAlive(background, () => this.#parts.verifier.backgroundWork)
    return decision
  }
}

/**
 * Returns a gate unchanged, or creates one from options.
 * @param more further arguments, which a caller would lose silently
 * @throws TypeError if there are any, or an option is unknown, missing or invalid
 */
export function toGate<I extends Identity<unknown> | undefined>(
  options: object | Gate<I>,
  more: readonly unknown[] = [],
): Gate<I> {
  if (more.length > 0)
    throw new TypeError('bearer() takes one argument: options, or a gate with its own options')
  if (typeof options === 'object' && options !== null && 'authenticate' in options && 'protect' in options)
    return options as Gate<I>
  return createGate(options as VerifierGateOptions) as unknown as Gate<I>
}
