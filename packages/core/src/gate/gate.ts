/** Runs the stages for each request: extract → verify → prove → authorize → Decision. Read this file first. */

import { isImmediate, sha256 } from '#digest'
import { type CacheHeaders, cacheHeaders } from '../answer/cache-headers.ts'
import { createChallenger } from '../answer/challenge.ts'
import { type MetadataResponse, type ProtectedResource, protectedResource } from '../answer/metadata.ts'
import {
  type AnswerPreflight,
  type CorsMiddleware,
  isPreflight,
  preflightAnswer,
} from '../answer/preflight.ts'
import {
  authorize,
  type Context,
  type Requirement,
  type Rule,
  toRequirement,
} from '../authorize/requirement.ts'
import { createExtract, type Extract } from '../extract/extract.ts'
import { usualToken } from '../extract/header.ts'
import {
  assertBoolean,
  assertFunction,
  assertNumber,
  assertOneOf,
  assertString,
  readOptions,
} from '../lib/assert.ts'
import { secondsOf, now as systemNow } from '../lib/clock.ts'
import { ignoreRejection, isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Credentials, TokenText } from '../model/credentials.ts'
import type { Decision, Passed } from '../model/decision.ts'
import { foundIn, type Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import type { DecisionListener } from '../observe/events.ts'
import { prove } from '../prove/prove.ts'
import { type RequestLike, toRequestLike } from '../request/request.ts'
import { validateResult } from '../verify/checked.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { isRespelled } from '../verify/jwt/jws.ts'
import { PresentedToken } from '../verify/presented.ts'
import { inactive } from '../verify/verification.ts'
import { type TokenVerifier, toleranceOf, type Verification } from '../verify/verifier.ts'
import { Deadline } from './deadline.ts'
import { Decisions, type Outcome, passed } from './decisions.ts'
import {
  type AllowedIdentity,
  GATE_OPTIONS,
  type IssuerGateOptions,
  type OnDenied,
  tokenTextOf,
  type VerifierGateOptions,
  verifierOf,
} from './options.ts'
import { type Background, type ProtectedHandler, protect } from './protect.ts'
import { RevocationCheck, type RevocationHash } from './revocation-check.ts'
import type { Revocation } from './revoke.ts'
import { Transport } from './transport.ts'

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
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function createGate<V extends Identity<unknown> = Identity, Anonymous extends boolean = false>(
  options: VerifierGateOptions<V, Anonymous>,
): Gate<AllowedIdentity<V, Anonymous>>
export function createGate<Claims = RawClaims, Anonymous extends boolean = false>(
  options: IssuerGateOptions<Claims, Anonymous>,
): Gate<AllowedIdentity<Identity<Claims>, Anonymous>>
export function createGate<V extends Identity<unknown>>(options: object): unknown {
  return Object.freeze(new BearerGate<V>(options as Partial<VerifierGateOptions<V, boolean>>))
}

const REVOKED: Rejection = { reason: 'revoked' }
const RESPELLED = inactive('malformed_token', 'a JWT, but not in base64url without padding (RFC 7515 §2)')
const INSECURE: Rejection = {
  reason: 'insecure_transport',
  detail:
    'plain http: neither the socket, nor the framework by a trusted proxy, nor "isSecure" says that it came over TLS',
}

/**
 * Public members are fields, so that they can be taken from the gate. A result that is at hand stays synchronous on its
 * way through the private methods, so that a known token costs no microtask.
 */
class BearerGate<V extends Identity<unknown>> implements Gate<V | undefined> {
  readonly onDenied: OnDenied
  readonly cors: CorsMiddleware | undefined
  readonly #realm: string
  readonly #verifier: TokenVerifier<V>
  /** Whether the gate made its verifier, and closes it. */
  readonly #isOwn: boolean
  readonly #extract: Extract
  readonly #tokenText: TokenText
  /** Only a token whose text was checked leaves a result: a known one needs no second check of its text. */
  readonly #recalls: boolean
  readonly #transport: Transport
  readonly #revocations: RevocationCheck<V>
  readonly #required: Rule | undefined
  readonly #context: Context
  readonly #answerPreflight: AnswerPreflight | undefined
  /** What a request without credentials gets: a decision if they are optional. */
  readonly #anonymous: Passed<V | undefined> | undefined
  readonly #caching: CacheHeaders
  readonly #resource: ProtectedResource | undefined
  readonly #decisions: Decisions<V | undefined>
  readonly #deadline: Deadline
  readonly #now: () => number

  constructor(options: Partial<VerifierGateOptions<V, boolean>>) {
    const read = readOptions('createGate', options, GATE_OPTIONS)
    const { verifier, isOwn } = verifierOf<V>(read)
    this.#verifier = verifier
    this.#isOwn = isOwn
    const deadline = assertNumber('deadline', read.deadline, { preset: 10, min: 0.01, max: 120 })
    this.#deadline = new Deadline(deadline)
    this.#tokenText = tokenTextOf(read)
    this.#extract = createExtract(read.tokenFrom, deadline, this.#tokenText)
    this.#recalls = isImmediate && read.tokenFrom === undefined && verifier.getCached !== undefined
    this.#required =
      read.requirement === undefined ? undefined : toRequirement('requirement', read.requirement)
    this.#now = assertFunction('now', read.now, systemNow)
    this.#revocations = new RevocationCheck(read, this.#now)
    this.#realm = assertString('realm', read.realm === undefined ? 'api' : read.realm)
    this.#transport = new Transport(read)
    this.#answerPreflight =
      read.allowPreflight === undefined ? undefined : preflightAnswer(read.allowPreflight)
    this.cors = typeof read.allowPreflight === 'function' ? read.allowPreflight : undefined
    this.#context = {
      now: () => secondsOf(this.#now),
      implies: assertFunction('scopeImplies', read.scopeImplies, undefined),
    }
    const { header, cookie } = read.tokenFrom ?? {}
    const optional = assertBoolean('optional', read.optional)
    this.#caching = cacheHeaders(
      header === false ? '' : header === true ? undefined : header,
      cookie !== undefined,
      optional,
    )
    this.#anonymous = optional ? passed<V | undefined>(undefined, this.#caching.anonymous) : undefined
    for (const name of ['optional', 'allowPreflight'] as const)
      if (this.#required !== undefined && read[name] !== undefined && read[name] !== false)
        throw new TypeError(
          `"${name}" cannot be combined with "requirement": a request without an identity cannot meet it. Put the requirement on the routes, with auth.authorize(…)`,
        )
    const scopes = this.#required?.scopes ?? []
    this.#resource =
      read.resource === undefined
        ? undefined
        : protectedResource(read.resource, {
            issuers: verifier.issuers ?? [],
            scopes,
            places: read.tokenFrom ?? {},
          })
    const challenger = createChallenger({
      realm: this.#realm,
      scopes,
      metadataUrl: this.#resource?.url,
      exposed: assertBoolean('exposeChallenge', read.exposeChallenge),
    })
    const onDecision = assertFunction('onDecision', read.onDecision, undefined)
    this.#decisions = new Decisions(challenger, onDecision as DecisionListener<V | undefined> | undefined)
    this.onDenied = assertOneOf<OnDenied>('onDenied', read.onDenied, ['answer', 'next'])
  }

  readonly authenticate = (
    source: Request | RequestLike,
    background?: Background,
  ): Decision<V | undefined> | Promise<Decision<V | undefined>> => {
    try {
      const outcome = this.#run(toRequestLike(source))
      // Others may wait for it: some runtimes end what is pending when the client has gone, or the answer was given.
      if (background !== undefined && isPromiseLike(outcome)) keepAlive(background, () => outcome)
      const decision = isPromiseLike(outcome)
        ? this.#deadline
            .within(outcome)
            .then((settled) => this.#decisions.of(settled, 'authenticate'))
            .catch((cause) => this.#decisions.unavailable(cause, 'authenticate'))
        : this.#decisions.of(outcome, 'authenticate')
      if (background === undefined) return decision
      return mapMaybe(decision, (made) => {
        // What is still under way when the decision is made, such as a refresh, goes on after the answer.
        keepAlive(background, () => this.#verifier.backgroundWork)
        return made
      })
    } catch (cause) {
      return this.#decisions.unavailable(cause, 'authenticate')
    }
  }

  readonly authorize = (identity: V | undefined, required: Requirement<V>): Decision<V | undefined> => {
    try {
      return this.#decisions.of(this.#authorize(identity, toRequirement('authorize', required)), 'authorize')
    } catch (cause) {
      return this.#decisions.unavailable(cause, 'authorize')
    }
  }

  readonly protect = <Rest extends unknown[]>(
    handler: ProtectedHandler<V | undefined, Rest>,
  ): ((request: Request, ...rest: Rest) => Promise<Response>) => protect(this, handler)

  readonly metadata = (request: Request | RequestLike): MetadataResponse | undefined => {
    try {
      return this.#resource?.answer(toRequestLike(request))
    } catch {
      return undefined // What cannot be read is no request for it, and is answered as the gate answers.
    }
  }

  readonly revoke = async (revocation: Revocation): Promise<void> =>
    this.#revocations.revoke(revocation, secondsOf(this.#now), toleranceOf(this.#verifier))

  readonly ready = async (): Promise<void> => this.#verifier.ready?.()

  readonly close = (): void => {
    if (this.#isOwn) this.#verifier.close?.()
  }

  readonly describe = (): GateDescription => ({
    realm: this.#realm,
    metadataUrl: this.#resource?.url,
    revocations: this.#revocations.size,
    verifier: this.#verifier.describe?.() ?? {},
  })

  /** All steps. A token that is known is not extracted again: the hash of its text is enough. */
  #run(request: RequestLike): Outcome<V | undefined> | PromiseLike<Outcome<V | undefined>> {
    const text = this.#recalls ? usualToken(request, this.#tokenText.maxLength) : undefined
    const hash = text === undefined ? undefined : (sha256(text) as string)
    const known = hash === undefined ? undefined : this.#verifier.getCached?.(hash)
    if (known !== undefined) return this.#check(request, { token: text as string, source: 'header' }, known)
    return mapMaybe<Credentials | Rejection, Outcome<V | undefined>>(this.#extract(request), (found) => {
      if (isRejection(found)) return this.#withoutCredentials(request, found)
      return this.#check(request, found, undefined, found.token === text ? hash : undefined)
    })
  }

  #withoutCredentials(request: RequestLike, rejection: Rejection): Outcome<V | undefined> {
    if (rejection.reason !== 'no_credentials') return rejection
    if (this.#answerPreflight !== undefined && isPreflight(request)) return this.#answerPreflight(request)
    return this.#anonymous ?? rejection
  }

  /**
   * Checks a token. While anything is awaited, its hash is held, and never its text.
   * @param known the result, if it is known already
   * @param hash the SHA-256 of the token, if it is known already
   */
  #check(
    request: RequestLike,
    { token, source }: Credentials,
    known?: Verification<V>,
    hash?: string,
  ): Outcome<V | undefined> | PromiseLike<Outcome<V | undefined>> {
    if (!this.#transport.allows(request)) return INSECURE
    const presented = new PresentedToken(token, hash)
    const verification = known ?? this.#verify(presented)
    const revocationHash = this.#revocations.needsHash(isPromiseLike(verification))
      ? presented.revocationHash
      : undefined
    return this.#judged(verification, revocationHash, source)
  }

  #verify(presented: PresentedToken): Verification<V> | PromiseLike<Verification<V>> {
    return isRespelled(presented.text) ? RESPELLED : this.#verifier.verify(presented.text, presented)
  }

  /** A method of its own, so that no closure holds the text of the token. */
  #judged(
    verification: Verification<V> | PromiseLike<Verification<V>>,
    hash: RevocationHash,
    source: Credentials['source'],
  ): Outcome<V | undefined> | PromiseLike<Outcome<V | undefined>> {
    return mapMaybe<Verification<V>, Outcome<V | undefined>>(verification, (given) =>
      this.#judge(given, hash, source),
    )
  }

  #judge(
    given: Verification<V>,
    hash: RevocationHash,
    source: Credentials['source'],
  ): Outcome<V | undefined> | PromiseLike<Outcome<V | undefined>> {
    const verification = validateResult(given, this.#now)
    if (!verification.active) return verification
    const { identity } = verification
    const unproven = prove(identity)
    if (unproven !== undefined) return unproven
    return mapMaybe<boolean, Outcome<V | undefined>>(
      this.#revocations.isRevoked(identity, hash),
      (revoked) => {
        if (revoked) return REVOKED
        const rejection = authorize(identity, this.#required, this.#context)
        return rejection ?? passed<V | undefined>(foundIn(identity, source), this.#caching.of(source))
      },
    )
  }

  #authorize(identity: V | undefined, required: Rule): Outcome<V | undefined> {
    if (identity === undefined) return { reason: 'no_credentials' }
    return authorize(identity, required, this.#context) ?? passed<V | undefined>(identity)
  }
}

/** Makes a runtime wait for pending work, if there is any. Errors of the work and of the runtime are ignored. */
function keepAlive(background: Background, workOf: () => PromiseLike<unknown> | undefined): void {
  try {
    const work = workOf()
    if (work !== undefined) ignoreRejection(background.waitUntil(Promise.resolve(work).catch(() => {})))
  } catch {}
}

/**
 * Returns a gate unchanged, or creates one from options.
 * @param more further arguments, which a caller would lose silently
 * @throws TypeError if there are any, or an option is unknown, missing or impossible
 */
export function toGate<I extends Identity<unknown> | undefined>(
  options: object | Gate<I>,
  more: readonly unknown[] = [],
): Gate<I> {
  if (more.length > 0)
    throw new TypeError('bearer() takes one argument: options, or a gate with its own options')
  if (typeof options === 'object' && options !== null && 'authenticate' in options && 'protect' in options)
    return options as Gate<I>
  return createGate(options as VerifierGateOptions) as Gate<Identity<unknown> | undefined> as Gate<I>
}
