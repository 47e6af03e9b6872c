/** Runs the stages for each request: extract → verify → prove → authorize → Decision. Read this file first. */

import { loadExplain } from '#load-explain'
import type { MetadataResponse } from '../answer/metadata.ts'
import type { CorsMiddleware } from '../answer/preflight.ts'
import { type AsyncRule, authorize, type Requirement, toRequirement } from '../authorize/requirement.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { Explanation } from '../observe/explain.ts'
import { prove } from '../prove/prove.ts'
import type { RequestLike } from '../request/request.ts'
import { toRequestLike } from '../request/to-request-like.ts'
import { otherEncoding, PresentedToken } from '../verify/presented.ts'
import type { Verification } from '../verify/verification.ts'
import { toleranceOf } from '../verify/verifier.ts'
import { Admission, REVOKED } from './admission.ts'
import { attachmentOf, FIND_TOKEN, getToken, getUser, requestOf, TOKEN_FIELD } from './attachments.ts'
import type { Outcome } from './decisions.ts'
import type { HandlerOptions } from './handler-options.ts'
import type { Gate, GateDescription } from './interface.ts'
import { type Background, keepAlive } from './keep-alive.ts'
import { LiveSignals } from './live-signals.ts'
import type { OnDenied } from './options.ts'
import type { GateParts } from './parts.ts'
import { passed } from './passed.ts'
import { type ProtectedHandler, protect } from './protect.ts'
import type { Report } from './report.ts'
import type { Revocation } from './revoke.ts'
import { FoundToken } from './token-finder.ts'

type Maybe<T> = T | PromiseLike<T>

/** Creates a gate from its parts. Frozen, so that no code can replace one of its methods. */
export function gateOf<V extends Identity<unknown>>(parts: GateParts<V>): Gate<V | undefined> {
  return Object.freeze(new BearerGate(parts))
}

/** Implements the gate. Public methods are fields, so that they work without the gate as their receiver. */
class BearerGate<V extends Identity<unknown>> implements Gate<V | undefined> {
  readonly onDenied: OnDenied
  readonly cors: CorsMiddleware | undefined
  readonly #parts: GateParts<V>
  readonly #admission: Admission<V>
  readonly #signals: LiveSignals

  constructor(parts: GateParts<V>) {
    this.#parts = parts
    this.#admission = new Admission(parts, this)
    this.#signals = new LiveSignals({
      now: () => parts.context.now() * 1000,
      isInStore: (identity, hash) => parts.revocations.isInStore(identity as V, hash),
      onRevoked: (listener) => parts.revocations.onRevoked(listener),
    })
    this.onDenied = parts.onDenied
    this.cors = parts.cors
    this[TOKEN_FIELD] = parts.tokens.field
  }

  readonly authenticate = (
    source: Request | RequestLike,
    background?: Background,
  ): Decision<V | undefined> | Promise<Decision<V | undefined>> => {
    const decision = this.#decide(source, background)
    if (background !== undefined) this.#continue(decision, background)
    return decision
  }

  readonly authorize = ((
    identity: V | undefined,
    required: Requirement<V>,
    request?: unknown,
  ): Maybe<Decision<V | undefined>> => {
    const { decisions } = this.#parts
    const report = decisions.begin('authorize', requestOf(request, this))
    try {
      return decisions.settle(
        this.#authorize(identity, toRequirement('authorize', required), request),
        report,
      )
    } catch (cause) {
      return decisions.unavailable(cause, report)
    }
  }) as Gate<V | undefined>['authorize']

  readonly protect = <Rest extends unknown[]>(
    handler: ProtectedHandler<V | undefined, Rest>,
    options?: HandlerOptions<V | undefined, Request>,
  ): ((request: Request, ...rest: Rest) => Promise<Response>) => protect(this, handler, options)

  readonly [TOKEN_FIELD]: string | undefined

  readonly [FIND_TOKEN] = (request: RequestLike): string | undefined => this.#parts.tokens.textIn(request)

  readonly tokenOf = (request: object): string => getToken(request, this)

  readonly userOf = (request: object): unknown => getUser(request, this)

  readonly signal = (request: object, ended?: AbortSignal): AbortSignal => {
    const { identity } = attachmentOf(request, this).decision
    const { revocationHash } = new PresentedToken(getToken(request, this))
    return this.#signals.add(identity as V, revocationHash, ended)
  }

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

  readonly explain = async (given: string | Request | RequestLike): Promise<Explanation> => {
    const explain = await loadExplain()
    return explain(this.#parts, given)
  }

  readonly describe = (): GateDescription => ({
    realm: this.#parts.realm,
    metadataUrl: this.#parts.resource?.url,
    revocations: this.#parts.revocations.size,
    revocationStore: this.#parts.revocations.describe(),
    verifier: this.#parts.verifier.describe?.() ?? {},
  })

  #decide(
    source: Request | RequestLike,
    background: Background | undefined,
  ): Decision<V | undefined> | Promise<Decision<V | undefined>> {
    const { decisions } = this.#parts
    let report: Report | undefined
    try {
      const request = toRequestLike(source)
      report = decisions.begin('authenticate', request)
      const outcome = this.#run(request, report)
      // Other requests may wait for the same verification, and some runtimes end it when this client disconnects.
      if (background !== undefined && isPromiseLike(outcome)) keepAlive(background, () => outcome)
      // 5 answer: outcome → HTTP
      return decisions.settle(outcome, report)
    } catch (cause) {
      return decisions.unavailable(cause, report ?? decisions.begin('authenticate', undefined))
    }
  }

  /** Background work, such as a refresh of keys, goes on after the answer. */
  #continue(decision: Maybe<Decision<V | undefined>>, background: Background): void {
    void mapMaybe(decision, () => keepAlive(background, () => this.#parts.verifier.backgroundWork))
  }

  /**
   * Takes one request through all stages. Each stage answers at once if it can, so that a cached token costs no microtask.
   * While a stage waits, the functions in here keep the hash of the token, but not its text. They keep the request only if
   * the `requirement` or `loadUser` may read it.
   */
  #run(request: RequestLike, report: Report | undefined): Maybe<Outcome<V | undefined>> {
    const { tokens, revocations } = this.#parts
    const kept = this.#admission.readsRequest ? request : undefined
    const cacheUse = report?.cacheUse
    // 1 extract: request → token
    return mapMaybe(tokens.find(request), (found): Maybe<Outcome<V | undefined>> => {
      if (!(found instanceof FoundToken)) return found
      const { source } = found
      if (cacheUse !== undefined) found.reportTo(cacheUse)
      // 2 verify: token → identity
      const verification = found.cached ?? this.#verify(found.presented)
      const hash = revocations.hashOf(found, isPromiseLike(verification))
      const unhashed = hash === undefined ? found : undefined
      return mapMaybe(verification, (result): Maybe<Outcome<V | undefined>> => {
        if (!result.active) return result
        const { identity } = result
        // 3 prove: the client holds the key of the token
        const unproven = prove(identity)
        if (unproven !== undefined) return unproven
        return mapMaybe(revocations.isRevoked(identity, hash), (isRevoked): Maybe<Outcome<V | undefined>> => {
          if (isRevoked) return REVOKED
          // 4 authorize: the identity meets the requirement
          const outcome = this.#admission.decide(identity, source, kept)
          if (!isPromiseLike(outcome)) return outcome
          const known = hash ?? (unhashed && revocations.hashOf(unhashed, true))
          return this.#admission.confirm(outcome, result, known)
        })
      })
    })
  }

  #verify(presented: PresentedToken): Maybe<Verification<V>> {
    return otherEncoding(presented) ?? this.#parts.verifier.verify(presented.text, presented)
  }

  #authorize(
    identity: V | undefined,
    required: AsyncRule<V>,
    request: unknown,
  ): Maybe<Outcome<V | undefined>> {
    if (identity === undefined) return { reason: 'no_credentials' }
    return mapMaybe(
      authorize(identity, required, this.#parts.context, request),
      (rejection): Outcome<V | undefined> => rejection ?? passed<V | undefined>(identity),
    )
  }
}
