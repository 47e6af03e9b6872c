/** The way of a request: extract → verify → prove → authorize → Decision. Read this first. */

import { authorize, type Requirement, requirement } from './authorize.ts'
import { createChallenger } from './challenge.ts'
import { Deadline } from './deadline.ts'
import type { Decision, Refusal } from './decision.ts'
import { type DecisionListener, notify } from './events.ts'
import { extract } from './extract.ts'
import { type ProtectedHandler, protect } from './fetch.ts'
import type { Identity } from './identity.ts'
import { callback, isPending, number, oneOf, readOptions, type Seconds, text } from './options.ts'
import { prove } from './prove/prove.ts'
import { type Rejection, Unavailable } from './rejection.ts'
import { type RequestView, viewOf } from './request.ts'
import { jwt } from './verify/jwt.ts'
import { JWT_OPTIONS, type JwtOptions } from './verify/jwt-options.ts'
import { checkedVerification, type TokenVerifier, type Verification } from './verify/verifier.ts'

/** What every gate can be told. */
export interface GateSettings<I extends Identity<unknown> = Identity> {
  /** The protection space, named in every challenge (RFC 9110 §11.5). Printable ASCII. Default `api`. */
  realm?: string
  /** What every request needs, beyond a good token. Default: nothing. */
  requirement?: Requirement
  /** Told of each decision. It cannot change it, and what it throws is ignored. */
  onDecision?: DecisionListener<I>
  /** The longest that a request waits for its verification, in seconds, up to 120; then 503. Default 10. */
  deadline?: Seconds
  /** The clock by which tokens are judged, in milliseconds since the epoch. Default `Date.now`. */
  now?: () => number
  /**
   * Who answers a refused request in Express and Koa: the middleware (`answer`, the default), or the framework's own
   * error handling, which gets a `RefusalError` (`next`).
   */
  onReject?: OnReject
}

export type OnReject = 'answer' | 'next'

/** A gate for the JWT access tokens of one issuer. */
export type IssuerGateOptions = GateSettings & JwtOptions & { verifier?: never }

/** A gate for whatever tokens the verifier knows. */
export type VerifierGateOptions<I extends Identity<unknown> = Identity> = GateSettings<I> & {
  verifier: TokenVerifier<I>
} & { [Name in Exclude<(typeof JWT_OPTIONS)[number], 'now'>]?: never }

export type GateOptions<I extends Identity<unknown> = Identity> = IssuerGateOptions | VerifierGateOptions<I>

/** Decides of requests. One gate serves any number of requests, hosts and frameworks. */
export interface Gate<I extends Identity<unknown> = Identity> {
  /** Who answers a refused request in Express and Koa. */
  readonly onReject: OnReject
  /**
   * Decides of one request: at once where the verifier can, and never by an exception.
   * @param request a fetch `Request`, or the view of any other request
   */
  authenticate(request: Request | RequestView): Decision<I> | Promise<Decision<I>>
  /** Decides whether an identity may do what is required: 403 with every scope that is needed, if not. */
  authorize(identity: I, required: Requirement): Decision<I>
  /**
   * A fetch handler that answers for itself where the request may not pass, and calls yours where it may.
   * What a runtime passes besides the request is passed on.
   */
  protect<Rest extends unknown[]>(
    handler: ProtectedHandler<I, Rest>,
  ): (request: Request, ...rest: Rest) => Promise<Response>
  /**
   * Has at hand what the first request needs, such as the issuer's keys. A server that starts may wait for it; one that
   * does not loses nothing, for the first request fetches them then.
   * @throws Unavailable where they cannot be had now
   */
  ready(): Promise<void>
  /** Ends what is under way and fetches nothing any more. What is at hand still decides; what is not is answered 503. */
  close(): void
  /** How the gate is set up and what it holds, as plain data without secrets, for operators. */
  describe(): GateDescription
}

export interface GateDescription {
  readonly realm: string
  /** What the verifier tells of itself: of `jwt` a `JwtDescription`, with `cache: { max, entries }` where there is one. */
  readonly verifier: object
}

const SETTINGS = ['realm', 'requirement', 'onDecision', 'deadline', 'onReject'] as const

/**
 * Creates a gate, either for the JWT access tokens of an issuer or for what a verifier knows.
 *
 * @example
 * const gate = createGate({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function createGate<I extends Identity<unknown> = Identity>(options: VerifierGateOptions<I>): Gate<I>
export function createGate(options: IssuerGateOptions): Gate
export function createGate<I extends Identity<unknown> = Identity>(options: GateOptions<I>): Gate<I>
export function createGate<I extends Identity<unknown>>(options: GateOptions<I>): Gate<I> {
  const read = readOptions('createGate', options, [...SETTINGS, 'verifier', ...JWT_OPTIONS])
  const verifier = verifierOf(read)
  const required = read.requirement === undefined ? undefined : requirement('requirement', read.requirement)
  const onDecision = callback('onDecision', read.onDecision, undefined) as DecisionListener<I> | undefined
  const now = callback('now', read.now, Date.now)
  const deadline = new Deadline(number('deadline', read.deadline, { preset: 10, min: 0.01, max: 120 }))
  const realm = text('realm', read.realm === undefined ? 'api' : read.realm)
  const challenger = createChallenger(realm, required?.scopes ?? [])

  function authenticate(source: Request | RequestView): Decision<I> | Promise<Decision<I>> {
    try {
      const token = extract(viewOf(source))
      if (typeof token !== 'string') return refuse(token)
      const verification = verifier.verify(token)
      if (isPending(verification)) return deadline.within(verification).then(judge).catch(unavailable)
      return judge(verification)
    } catch (cause) {
      return unavailable(cause)
    }
  }

  function judge(given: Verification<I>): Decision<I> {
    const verification = checkedVerification(given, now)
    if (!verification.active) return refuse(verification)
    const { identity } = verification
    const rejection = prove(identity) ?? authorize(identity, required)
    return rejection === undefined ? grant(identity) : refuse(rejection)
  }

  function grant(identity: I): Decision<I> {
    const decision = Object.freeze({ ok: true, identity } as const)
    notify(onDecision, { decision })
    return decision
  }

  function refuse(rejection: Rejection): Refusal {
    const refusal = challenger.refuse(rejection)
    notify(onDecision, { decision: refusal, detail: rejection.detail })
    return refusal
  }

  function unavailable(cause: unknown): Refusal {
    const refusal = challenger.unavailable(retryAfterOf(cause))
    notify(onDecision, { decision: refusal, cause })
    return refusal
  }

  return Object.freeze({
    onReject: oneOf<OnReject>('onReject', read.onReject, ['answer', 'next']),
    authenticate,
    authorize(identity: I, needed: Requirement): Decision<I> {
      try {
        const rejection = authorize(identity, needed)
        return rejection === undefined ? Object.freeze({ ok: true, identity } as const) : refuse(rejection)
      } catch (cause) {
        return unavailable(cause)
      }
    },
    protect: <Rest extends unknown[]>(handler: ProtectedHandler<I, Rest>) => protect(authenticate, handler),
    ready: async () => verifier.ready?.(),
    close: () => verifier.close?.(),
    describe: () => ({ realm, verifier: verifier.describe?.() ?? {} }),
  })
}

/** What was thrown may be anything, even something that cannot be looked at. */
function retryAfterOf(cause: unknown): Seconds {
  try {
    return cause instanceof Unavailable && typeof cause.retryAfter === 'number' ? cause.retryAfter : 1
  } catch {
    return 1
  }
}

/** A gate as it is, or the gate that options describe. */
export function gateOf<I extends Identity<unknown>>(options: GateOptions<I> | Gate<I>): Gate<I> {
  if (typeof options === 'object' && options !== null && 'authenticate' in options) return options
  return createGate(options)
}

/** Either the verifier that is given, or one for the issuer that is described. */
function verifierOf<I extends Identity<unknown>>(options: GateOptions<I>): TokenVerifier<I> {
  const { verifier, ...others } = options
  const described = Object.fromEntries(Object.entries(others).filter(([name]) => !isSetting(name)))
  if (verifier === undefined)
    return jwt(described as unknown as JwtOptions) as TokenVerifier<Identity<unknown>> as TokenVerifier<I>
  delete described.now
  if (typeof verifier?.verify !== 'function') throw new TypeError('"verifier" must have a method "verify"')
  const [surplus] = Object.keys(described)
  if (surplus !== undefined) throw new TypeError(`"${surplus}" and "verifier" exclude each other`)
  return verifier
}

function isSetting(name: string): boolean {
  return (SETTINGS as readonly string[]).includes(name)
}
