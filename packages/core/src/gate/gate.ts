/** The way of a request: extract → verify → prove → authorize → Decision. Read this first. */

import { isImmediate, sha256 } from '#digest'
import { cacheHeaders } from '../answer/cache-headers.ts'
import { createChallenger } from '../answer/challenge.ts'
import { type MetadataResponse, protectedResource } from '../answer/metadata.ts'
import { type CorsMiddleware, isPreflight, preflightAnswer } from '../answer/preflight.ts'
import { authorize, type Context, type Requirement, toRequirement } from '../authorize/requirement.ts'
import { createExtract } from '../extract/extract.ts'
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
import type { Credentials } from '../model/credentials.ts'
import type { Decision, Denied, Passed, Preflight, RequiredHeaders } from '../model/decision.ts'
import { foundIn, type Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionListener } from '../observe/events.ts'
import { notify } from '../observe/notify.ts'
import { prove } from '../prove/prove.ts'
import { type RequestLike, toRequestLike } from '../request/request.ts'
import { askRevoked, memoryRevocations, revocationStore } from '../state/revocations.ts'
import { validateResult } from '../verify/checked.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { PresentedToken } from '../verify/presented.ts'
import type { Verification } from '../verify/verifier.ts'
import { Deadline } from './deadline.ts'
import {
  type AllowedIdentity,
  GATE_OPTIONS,
  type IssuerGateOptions,
  type OnDenied,
  type VerifierGateOptions,
  verifierOf,
} from './options.ts'
import { type Background, type ProtectedHandler, protect } from './protect.ts'
import { type Revocation, revocationEntry } from './revoke.ts'

/** Decides of requests. One gate serves any number of requests, hosts and frameworks. */
export interface Gate<I extends Identity<unknown> | undefined = Identity> {
  /** Who answers a refused request in Express and Koa. */
  readonly onDenied: OnDenied
  /** The CORS middleware that answers preflights, if `allowPreflight` names one. */
  readonly cors: CorsMiddleware | undefined
  /**
   * Decides of one request: at once where the verifier can, and never by an exception.
   * @param request a fetch `Request`, or the view of any other request
   * @param background what keeps the runtime awake for what goes on after the answer, such as the `ctx` of a Worker
   */
  authenticate(request: Request | RequestLike, background?: Background): Decision<I> | Promise<Decision<I>>
  /**
   * Decides whether an identity may do what is required: 403 with every scope that is needed, or 401 where a stronger
   * authentication is, if not; 401 where there is no identity.
   */
  authorize(identity: I, required: Requirement<NonNullable<I>>): Decision<I>
  /**
   * A fetch handler that answers for itself where the request may not pass, and calls yours where it may.
   * What a runtime passes besides the request is passed on.
   */
  protect<Rest extends unknown[]>(
    handler: ProtectedHandler<I, Rest>,
  ): (request: Request, ...rest: Rest) => Promise<Response>
  /**
   * The answer to a request for the metadata of the protected resource, which needs no token (RFC 9728 §3); `undefined`
   * for any other. `protect` and the middleware of Express and Koa give it themselves.
   */
  metadata(request: Request | RequestLike): MetadataResponse | undefined
  /**
   * Revokes a token, or all tokens of a subject: from now on the gate rejects them, cached results and pending
   * verifications included, and so does every gate with the same `revocations`. An entry ends with its tokens.
   * @throws TypeError if it is not a revocation
   * @throws RangeError if the store is full
   */
  revoke(revocation: Revocation): Promise<void>
  /**
   * Has at hand what the first request needs, such as the issuer's keys. A server that starts may wait for it; one that
   * does not loses nothing, for the first request fetches them then.
   * @throws UnavailableError where they cannot be had now
   */
  ready(): Promise<void>
  /**
   * Aborts pending requests and stops fetching, if the gate made its verifier itself. Cached keys and results stay
   * usable; everything else is answered 503. A `verifier` that was given may serve other gates: close it yourself.
   */
  close(): void
  /** How the gate is set up and what it holds, as plain data without secrets, for operators. */
  describe(): GateDescription
}

export interface GateDescription {
  readonly realm: string
  /** Where the metadata of the protected resource is, if this is one. */
  readonly metadataUrl?: string | undefined
  /** How many revocations are remembered. */
  readonly revocations: number
  /** What the verifier tells of itself: of `jwt` a `JwtDescription`, with `cache: { max, entries }` where there is one. */
  readonly verifier: object
}

const REVOKED: Rejection = { reason: 'revoked' }
const INSECURE: Rejection = {
  reason: 'insecure_transport',
  detail:
    'plain http: neither the socket, nor the framework by a trusted proxy, nor "isSecure" says that it came over TLS',
}

/**
 * Creates a gate, either for the JWT access tokens of an issuer or for what a verifier knows.
 *
 * With `optional` the identity of a request that passes may be `undefined`.
 *
 * @example
 * const gate = createGate({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function createGate<V extends Identity<unknown> = Identity, Anonymous extends boolean = false>(
  options: VerifierGateOptions<V, Anonymous>,
): Gate<AllowedIdentity<V, Anonymous>>
export function createGate<Claims = RawClaims, Anonymous extends boolean = false>(
  options: IssuerGateOptions<Claims, Anonymous>,
): Gate<AllowedIdentity<Identity<Claims>, Anonymous>>
export function createGate<V extends Identity<unknown>>(options: object): unknown {
  type I = V | undefined
  const read = readOptions('createGate', options as Partial<VerifierGateOptions<V, boolean>>, GATE_OPTIONS)
  const { verifier, isOwn } = verifierOf<V>(read)
  const seconds = assertNumber('deadline', read.deadline, { preset: 10, min: 0.01, max: 120 })
  const extract = createExtract(read.tokenFrom, seconds)
  /** Only tokens whose text was checked leave a result: whether one is known is asked before its text is checked again. */
  const recalls = isImmediate && read.tokenFrom === undefined && verifier.getCached !== undefined
  const required = read.requirement === undefined ? undefined : toRequirement('requirement', read.requirement)
  const isRevoked = assertFunction('isRevoked', read.isRevoked, undefined)
  const onDecision = assertFunction('onDecision', read.onDecision, undefined) as
    | DecisionListener<I>
    | undefined
  const now = assertFunction('now', read.now, systemNow)
  const deadline = new Deadline(seconds)
  const realm = assertString('realm', read.realm === undefined ? 'api' : read.realm)
  const optional = assertBoolean('optional', read.optional)
  const requireTls = assertBoolean('requireTls', read.requireTls)
  const isSecure = assertFunction('isSecure', read.isSecure, undefined)
  const allowLoopback = assertBoolean('allowLoopback', read.allowLoopback)
  if (!requireTls && (isSecure !== undefined || allowLoopback))
    throw new TypeError(
      '"isSecure" and "allowLoopback" need "requireTls: true": without it plain http is allowed',
    )
  const answerPreflight = read.allowPreflight === undefined ? undefined : preflightAnswer(read.allowPreflight)
  for (const name of ['optional', 'allowPreflight'] as const)
    if (required !== undefined && read[name] !== undefined && read[name] !== false)
      throw new TypeError(
        `"${name}" cannot be combined with "requirement": a request without an identity cannot meet it. Put the requirement on the routes, with auth.authorize(…)`,
      )
  const scopes = required?.scopes ?? []
  const resource =
    read.resource === undefined
      ? undefined
      : protectedResource(read.resource, {
          issuers: verifier.issuers ?? [],
          scopes,
          places: read.tokenFrom ?? {},
        })
  const challenger = createChallenger({
    realm,
    scopes,
    metadataUrl: resource?.url,
    exposed: assertBoolean('exposeChallenge', read.exposeChallenge),
  })
  const context: Context = {
    now: () => secondsOf(now),
    implies: assertFunction('scopeImplies', read.scopeImplies, undefined),
  }
  const revocations =
    read.revocations === undefined ? memoryRevocations({ now }) : revocationStore(read.revocations)
  const { header, cookie } = read.tokenFrom ?? {}
  const caching = cacheHeaders(
    header === false ? '' : header === true ? undefined : header,
    cookie !== undefined,
    optional,
  )
  const anonymous = passed<I>(undefined, caching.anonymous)

  function authenticate(
    source: Request | RequestLike,
    background?: Background,
  ): Decision<I> | Promise<Decision<I>> {
    try {
      const outcome = decide(toRequestLike(source))
      // Others may wait for it: some runtimes end what is pending when the client has gone, or the answer was given.
      if (background !== undefined && isPromiseLike(outcome)) keepAlive(background, () => outcome)
      const decision = isPromiseLike(outcome)
        ? deadline.within(outcome).then(settle).catch(unavailable)
        : settle(outcome)
      if (background === undefined) return decision
      return mapMaybe(decision, (made) => {
        // What is still under way when the decision is made, such as a refresh, goes on after the answer.
        keepAlive(background, () => verifier.backgroundWork)
        return made
      })
    } catch (cause) {
      return unavailable(cause)
    }
  }

  function decide(request: RequestLike): Outcome<I> | PromiseLike<Outcome<I>> {
    const text = recalls ? usualToken(request) : undefined
    const hash = text === undefined ? undefined : (sha256(text) as string)
    const known = hash === undefined ? undefined : verifier.getCached?.(hash)
    if (known !== undefined) return verify(request, { token: text as string, source: 'header' }, known)
    return mapMaybe<Credentials | Rejection, Outcome<I>>(extract(request), (found) => {
      if (isRejection(found)) return withoutCredentials(request, found)
      return verify(request, found, undefined, found.token === text ? hash : undefined)
    })
  }

  /** While anything is awaited, the hash of the token is held, and never its text. */
  function verify(
    request: RequestLike,
    { token, source: place }: Credentials,
    known?: Verification<V>,
    hash?: string,
  ): Outcome<I> | PromiseLike<Outcome<I>> {
    if (requireTls && !cameSecurely(request)) return INSECURE
    const presented = new PresentedToken(token, hash)
    const verification = known ?? verifier.verify(token, presented)
    const isAwaited = isPromiseLike(verification) || isRevoked !== undefined
    const revocationHash = isAwaited || revocations.needsHash ? presented.revocationHash : undefined
    return judged(verification, revocationHash, place)
  }

  function judged(
    verification: Verification<V> | PromiseLike<Verification<V>>,
    hash: Hash,
    place: Credentials['source'],
  ): Outcome<I> | PromiseLike<Outcome<I>> {
    return mapMaybe<Verification<V>, Outcome<I>>(verification, (given) => judge(given, hash, place))
  }

  function withoutCredentials(request: RequestLike, rejection: Rejection): Outcome<I> {
    if (rejection.reason !== 'no_credentials') return rejection
    if (answerPreflight !== undefined && isPreflight(request)) return answerPreflight(request)
    return optional ? anonymous : rejection
  }

  function cameSecurely(request: RequestLike): boolean {
    if (request.secure === true || (allowLoopback && request.loopback === true)) return true
    if (isSecure === undefined) return false
    const answer: unknown = isSecure(request)
    if (typeof answer === 'boolean') return answer
    ignoreRejection(answer)
    throw new UnavailableError('"isSecure" must return true or false')
  }

  function judge(
    given: Verification<V>,
    hash: Hash,
    place: Credentials['source'],
  ): Outcome<I> | PromiseLike<Outcome<I>> {
    const verification = validateResult(given, now)
    if (!verification.active) return verification
    const { identity } = verification
    const unproven = prove(identity)
    if (unproven !== undefined) return unproven
    return mapMaybe<boolean, Outcome<I>>(isRevokedNow(identity, hash), (revoked) => {
      if (revoked) return REVOKED
      const rejection = authorize(identity, required, context)
      if (rejection !== undefined) return rejection
      return passed<I>(foundIn(identity, place), caching.of(place))
    })
  }

  /** What was revoked here is asked last: so it counts also where it was revoked a moment ago. */
  function isRevokedNow(identity: V, hash: Hash): boolean | PromiseLike<boolean> {
    if (isRevoked === undefined) return isRevokedHere(identity, hash)
    return mapMaybe(
      askRevoked(() => isRevoked(identity)),
      (revoked) => revoked || isRevokedHere(identity, hash),
    )
  }

  function isRevokedHere(identity: V, hash: Hash): boolean | PromiseLike<boolean> {
    return revocations.size === 0 ? false : askRevoked(() => revocations.isRevoked(identity, hash))
  }

  function settle(outcome: Outcome<I>): Decision<I> {
    if (isRejection(outcome)) return refuse(outcome)
    if (onDecision !== undefined) notify(onDecision, { decision: outcome })
    return outcome
  }

  function refuse(rejection: Rejection): Denied {
    const refusal = challenger.refuse(rejection)
    if (onDecision !== undefined) notify(onDecision, { decision: refusal, detail: detailOf(rejection) })
    return refusal
  }

  function unavailable(cause: unknown): Denied {
    const refusal = challenger.unavailable(retryAfterOf(cause))
    notify(onDecision, { decision: refusal, cause })
    return refusal
  }

  function metadata(request: Request | RequestLike): MetadataResponse | undefined {
    try {
      return resource?.answer(toRequestLike(request))
    } catch {
      return undefined // What cannot be read is no request for it, and is answered as the gate answers.
    }
  }

  const gate: Gate<I> = {
    cors: typeof read.allowPreflight === 'function' ? read.allowPreflight : undefined,
    onDenied: assertOneOf<OnDenied>('onDenied', read.onDenied, ['answer', 'next']),
    authenticate,
    authorize(identity: I, needed: Requirement<V>): Decision<I> {
      try {
        if (identity === undefined) return refuse({ reason: 'no_credentials' })
        const rejection = authorize(identity, toRequirement('authorize', needed), context)
        return rejection === undefined ? passed<I>(identity) : refuse(rejection)
      } catch (cause) {
        return unavailable(cause)
      }
    },
    protect: <Rest extends unknown[]>(handler: ProtectedHandler<I, Rest>) => protect(gate, handler),
    metadata,
    revoke: async (revocation: Revocation) =>
      mapMaybe(revocationEntry(revocation), (entry) => revocations.revoke(entry)),
    ready: async () => verifier.ready?.(),
    close: () => {
      if (isOwn) verifier.close?.()
    },
    describe: () => ({
      realm,
      metadataUrl: resource?.url,
      revocations: revocations.size,
      verifier: verifier.describe?.() ?? {},
    }),
  }
  return Object.freeze(gate)
}

/** The SHA-256 of a token, where it may be needed. */
type Hash = string | Promise<string> | undefined

type Outcome<I extends Identity<unknown> | undefined> = Passed<I> | Preflight | Rejection

/** Every member is its own: nothing on `Object.prototype` adds to it. */
function passed<I extends Identity<unknown> | undefined>(identity: I, headers?: RequiredHeaders): Passed<I> {
  return Object.freeze({ ok: true, identity, headers }) as Passed<I>
}

/** Reads the detail of a rejection, which may be a getter of the user's that throws. */
function detailOf(rejection: Rejection): string | undefined {
  try {
    return rejection.detail
  } catch {
    return undefined
  }
}

/** What was thrown may be anything, even something that cannot be looked at. */
function retryAfterOf(cause: unknown): Seconds {
  try {
    return cause instanceof UnavailableError && typeof cause.retryAfter === 'number' ? cause.retryAfter : 1
  } catch {
    return 1
  }
}

/** Has a runtime wait for work, if there is any. What it throws, or rejects with, is its own affair. */
function keepAlive(background: Background, workOf: () => PromiseLike<unknown> | undefined): void {
  try {
    const work = workOf()
    if (work !== undefined) ignoreRejection(background.waitUntil(Promise.resolve(work).catch(() => {})))
  } catch {}
}

/**
 * Returns a gate as it is, or the gate that options describe.
 * @param more what else was given, which would be ignored: a gate has its options already
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
