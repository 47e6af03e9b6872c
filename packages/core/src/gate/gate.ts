/** The way of a request: extract → verify → prove → authorize → Decision. Read this first. */

import { isImmediate, sha256 } from '#digest'
import { authorize, type Context, type Requirement, requirement } from '../authorize/requirement.ts'
import { cacheHeaders, type RequiredHeaders } from '../answer/cache-headers.ts'
import { createChallenger } from '../answer/challenge.ts'
import { Deadline } from './deadline.ts'
import type { Decision, Passed, Preflight, Refusal } from '../model/decision.ts'
import { type DecisionListener, notify } from '../observe/events.ts'
import { type Credentials, createExtract, usualToken } from '../extract/extract.ts'
import { type Background, type ProtectedHandler, protect } from './protect.ts'
import {
  GATE_OPTIONS,
  type IssuerGateOptions,
  type OnReject,
  type Passing,
  type VerifierGateOptions,
  verifierOf,
} from './options.ts'
import { foundIn, type Identity, type Sender } from '../model/identity.ts'
import { now as systemNow } from '../lib/clock.ts'
import { type PublicAnswer, protectedResource } from '../answer/metadata.ts'
import {
  after,
  callback,
  disown,
  flag,
  isPending,
  number,
  oneOf,
  readOptions,
  type Seconds,
  text,
} from '../lib/assert.ts'
import { type CorsMiddleware, isPreflight, preflightAnswer } from '../answer/preflight.ts'
import { prove } from '../prove/prove.ts'
import { isRejection, type Rejection, Unavailable } from '../model/rejection.ts'
import { type RequestView, viewOf } from '../request/request.ts'
import {
  askRevoked,
  memoryRevocations,
  type Revocation,
  revocationEntry,
  revocationStore,
} from '../state/revocations.ts'
import type { RawClaims } from '../verify/claims/mapping.ts'
import { PresentedToken } from '../verify/presented.ts'
import { checkedVerification, secondsOf, type Verification } from '../verify/verifier.ts'

/** Decides of requests. One gate serves any number of requests, hosts and frameworks. */
export interface Gate<I extends Sender = Identity> {
  /** Who answers a refused request in Express and Koa. */
  readonly onReject: OnReject
  /** The CORS middleware that answers preflights, if `allowPreflight` names one. */
  readonly cors: CorsMiddleware | undefined
  /**
   * Decides of one request: at once where the verifier can, and never by an exception.
   * @param request a fetch `Request`, or the view of any other request
   * @param background what keeps the runtime awake for what goes on after the answer, such as the `ctx` of a Worker
   */
  authenticate(request: Request | RequestView, background?: Background): Decision<I> | Promise<Decision<I>>
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
  metadata(request: Request | RequestView): PublicAnswer | undefined
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
   * @throws Unavailable where they cannot be had now
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
): Gate<Passing<V, Anonymous>>
export function createGate<Claims = RawClaims, Anonymous extends boolean = false>(
  options: IssuerGateOptions<Claims, Anonymous>,
): Gate<Passing<Identity<Claims>, Anonymous>>
export function createGate<V extends Identity<unknown>>(options: object): unknown {
  type I = V | undefined
  const read = readOptions('createGate', options as Partial<VerifierGateOptions<V, boolean>>, GATE_OPTIONS)
  const { verifier, isOwn } = verifierOf<V>(read)
  const extract = createExtract(read.credentials)
  /** Only tokens whose text was checked leave a result: whether one is known is asked before its text is checked again. */
  const recalls = isImmediate && read.credentials === undefined && verifier.recall !== undefined
  const required = read.requirement === undefined ? undefined : requirement('requirement', read.requirement)
  const isRevoked = callback('isRevoked', read.isRevoked, undefined)
  const onDecision = callback('onDecision', read.onDecision, undefined) as DecisionListener<I> | undefined
  const now = callback('now', read.now, systemNow)
  const deadline = new Deadline(number('deadline', read.deadline, { preset: 10, min: 0.01, max: 120 }))
  const realm = text('realm', read.realm === undefined ? 'api' : read.realm)
  const optional = flag('optional', read.optional)
  const requireTls = flag('requireTls', read.requireTls)
  const isSecure = callback('isSecure', read.isSecure, undefined)
  const allowLoopback = flag('allowLoopback', read.allowLoopback)
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
          places: read.credentials ?? {},
        })
  const challenger = createChallenger({
    realm,
    scopes,
    metadataUrl: resource?.url,
    exposed: flag('exposeChallenge', read.exposeChallenge),
  })
  const context: Context = {
    now: () => secondsOf(now),
    implies: callback('scopeImplies', read.scopeImplies, undefined),
  }
  const revocations =
    read.revocations === undefined ? memoryRevocations({ now }) : revocationStore(read.revocations)
  const { header, cookie } = read.credentials ?? {}
  const caching = cacheHeaders(
    header === false ? '' : header === true ? undefined : header,
    cookie !== undefined,
    optional,
  )
  const anonymous = passed<I>(undefined, caching.anonymous)

  function authenticate(
    source: Request | RequestView,
    background?: Background,
  ): Decision<I> | Promise<Decision<I>> {
    try {
      const outcome = decide(viewOf(source))
      // Others may wait for it: some runtimes end what is pending when the client has gone, or the answer was given.
      if (background !== undefined && isPending(outcome)) stayAwake(background, () => outcome)
      const decision = isPending(outcome)
        ? deadline.within(outcome).then(settle).catch(unavailable)
        : settle(outcome)
      if (background === undefined) return decision
      return after(decision, (made) => {
        // What is still under way when the decision is made, such as a refresh, goes on after the answer.
        stayAwake(background, () => verifier.underWay)
        return made
      })
    } catch (cause) {
      return unavailable(cause)
    }
  }

  function decide(request: RequestView): Outcome<I> | PromiseLike<Outcome<I>> {
    const text = recalls ? usualToken(request) : undefined
    const hash = text === undefined ? undefined : (sha256(text) as string)
    const known = hash === undefined ? undefined : verifier.recall?.(hash)
    if (known !== undefined) return verify(request, { token: text as string, place: 'header' }, known)
    return after<Credentials | Rejection, Outcome<I>>(extract(request), (found) => {
      if (isRejection(found)) return withoutCredentials(request, found)
      return verify(request, found, undefined, found.token === text ? hash : undefined)
    })
  }

  /** While anything is awaited, the hash of the token is held, and never its text. */
  function verify(
    request: RequestView,
    { token, place }: Credentials,
    known?: Verification<V>,
    hash?: string,
  ): Outcome<I> | PromiseLike<Outcome<I>> {
    if (requireTls && !cameSecurely(request)) return INSECURE
    const presented = new PresentedToken(token, hash)
    const verification = known ?? verifier.verify(token, presented)
    const isAwaited = isPending(verification) || isRevoked !== undefined
    const revocationHash = isAwaited || revocations.needsHash ? presented.revocationHash : undefined
    return judged(verification, revocationHash, place)
  }

  function judged(
    verification: Verification<V> | PromiseLike<Verification<V>>,
    hash: Hash,
    place: Credentials['place'],
  ): Outcome<I> | PromiseLike<Outcome<I>> {
    return after<Verification<V>, Outcome<I>>(verification, (given) => judge(given, hash, place))
  }

  function withoutCredentials(request: RequestView, rejection: Rejection): Outcome<I> {
    if (rejection.reason !== 'no_credentials') return rejection
    if (answerPreflight !== undefined && isPreflight(request)) return answerPreflight(request)
    return optional ? anonymous : rejection
  }

  function cameSecurely(request: RequestView): boolean {
    if (request.secure === true || (allowLoopback && request.loopback === true)) return true
    if (isSecure === undefined) return false
    const answer: unknown = isSecure(request)
    if (typeof answer === 'boolean') return answer
    disown(answer)
    throw new Unavailable('"isSecure" must return true or false')
  }

  function judge(
    given: Verification<V>,
    hash: Hash,
    place: Credentials['place'],
  ): Outcome<I> | PromiseLike<Outcome<I>> {
    const verification = checkedVerification(given, now)
    if (!verification.active) return verification
    const { identity } = verification
    const unproven = prove(identity)
    if (unproven !== undefined) return unproven
    return after<boolean, Outcome<I>>(isTakenBack(identity, hash), (revoked) => {
      if (revoked) return REVOKED
      const rejection = authorize(identity, required, context)
      if (rejection !== undefined) return rejection
      return passed<I>(foundIn(identity, place), caching.of(place))
    })
  }

  /** What was revoked here is asked last: so it counts also where it was revoked a moment ago. */
  function isTakenBack(identity: V, hash: Hash): boolean | PromiseLike<boolean> {
    if (isRevoked === undefined) return isRevokedHere(identity, hash)
    return after(
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

  function refuse(rejection: Rejection): Refusal {
    const refusal = challenger.refuse(rejection)
    if (onDecision !== undefined) notify(onDecision, { decision: refusal, detail: detailOf(rejection) })
    return refusal
  }

  function unavailable(cause: unknown): Refusal {
    const refusal = challenger.unavailable(retryAfterOf(cause))
    notify(onDecision, { decision: refusal, cause })
    return refusal
  }

  function metadata(request: Request | RequestView): PublicAnswer | undefined {
    try {
      return resource?.answer(viewOf(request))
    } catch {
      return undefined // What cannot be read is no request for it, and is answered as the gate answers.
    }
  }

  const gate: Gate<I> = {
    cors: typeof read.allowPreflight === 'function' ? read.allowPreflight : undefined,
    onReject: oneOf<OnReject>('onReject', read.onReject, ['answer', 'next']),
    authenticate,
    authorize(identity: I, needed: Requirement<V>): Decision<I> {
      try {
        if (identity === undefined) return refuse({ reason: 'no_credentials' })
        const rejection = authorize(identity, requirement('authorize', needed), context)
        return rejection === undefined ? passed<I>(identity) : refuse(rejection)
      } catch (cause) {
        return unavailable(cause)
      }
    },
    protect: <Rest extends unknown[]>(handler: ProtectedHandler<I, Rest>) => protect(gate, handler),
    metadata,
    revoke: async (revocation: Revocation) =>
      after(revocationEntry(revocation), (entry) => revocations.revoke(entry)),
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

type Outcome<I extends Sender> = Passed<I> | Preflight | Rejection

/** Every member is its own: nothing on `Object.prototype` adds to it. */
function passed<I extends Sender>(identity: I, headers?: RequiredHeaders): Passed<I> {
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
    return cause instanceof Unavailable && typeof cause.retryAfter === 'number' ? cause.retryAfter : 1
  } catch {
    return 1
  }
}

/** Has a runtime wait for work, if there is any. What it throws, or rejects with, is its own affair. */
function stayAwake(background: Background, workOf: () => PromiseLike<unknown> | undefined): void {
  try {
    const work = workOf()
    if (work !== undefined) disown(background.waitUntil(Promise.resolve(work).catch(() => {})))
  } catch {}
}

/**
 * Returns a gate as it is, or the gate that options describe.
 * @param more what else was given, which would be ignored: a gate has its options already
 */
export function gateOf<I extends Sender>(options: object | Gate<I>, more: readonly unknown[] = []): Gate<I> {
  if (more.length > 0)
    throw new TypeError('bearer() takes one argument: options, or a gate with its own options')
  if (typeof options === 'object' && options !== null && 'authenticate' in options && 'protect' in options)
    return options as Gate<I>
  return createGate(options as VerifierGateOptions) as Gate<Sender> as Gate<I>
}
