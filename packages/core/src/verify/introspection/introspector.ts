/**
 * Asks the authorization server about tokens, with a deadline, a limit on open requests and a circuit breaker (RFC 7662 §2.1).
 */

import { raceAbort } from '../../lib/abort.ts'
import type { Identity } from '../../model/identity.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { CircuitBreaker, CircuitOpenError } from '../../net/circuit-breaker.ts'
import { askedWait, type Fetch, UnusableAnswer } from '../../net/fetch-json.ts'
import { KeptConnections } from '../../net/hedged-post.ts'
import { PendingCalls } from '../../net/pending-calls.ts'
import { type Place, Semaphore } from '../../net/semaphore.ts'
import { Throttle } from '../../net/throttle.ts'
import type { IntrospectionListener } from '../../observe/events.ts'
import type { RawClaims } from '../claims/values.ts'
import { callerOf } from '../keys/known-callers.ts'
import { PresentedToken } from '../presented.ts'
import type { SharedAnswers } from '../shared-answers.ts'
import type { Verification } from '../verification.ts'
import type { TokenVerifier } from '../verifier.ts'
import type { ClientAuthentication } from './client-auth.ts'
import type { IntrospectionDescription } from './description.ts'
import { Endpoint, type ServerLocation } from './endpoint.ts'
import { KnownTokens } from './known-tokens.ts'
import { failureOf, OutageReport } from './outage-report.ts'
import * as response from './response.ts'

/** How much longer than its deadline a discovery may take to end. */
const GRACE: Seconds = 1
/** How many known tokens are remembered. */
const MAX_KNOWN = 10_000

type Lane = 'known' | 'unknown'

/** The checked options of an introspector. */
export interface IntrospectorSettings<Claims> {
  readonly server: ServerLocation
  readonly policy: response.ResponsePolicy<Claims>
  readonly authenticate: ClientAuthentication
  /** The answers that processes share. */
  readonly answers: SharedAnswers
  readonly timeout: Seconds
  readonly concurrency: number
  readonly queue: number
  readonly inactiveStatus: readonly number[]
  readonly listener: IntrospectionListener | undefined
  readonly fetch: Fetch
}

/** The request for one token, its deadline, and the place that it takes. */
interface Question {
  readonly token: string
  readonly hash: string
  readonly signal: AbortSignal
  readonly place: Place
}

export class Introspector<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #settings: IntrospectorSettings<Claims>
  readonly #calls: PendingCalls
  readonly #endpoint: Endpoint
  readonly #connections: KeptConnections
  readonly #semaphore: Semaphore
  readonly #circuits: Readonly<Record<Lane, CircuitBreaker>>
  readonly #known = new KnownTokens(MAX_KNOWN)
  readonly #throttle = new Throttle()
  readonly #outage: OutageReport

  constructor(settings: IntrospectorSettings<Claims>) {
    const { server, fetch, timeout, concurrency, queue } = settings
    this.#settings = settings
    this.#calls = new PendingCalls(timeout, 'The authorization server did not answer in time')
    this.#endpoint = new Endpoint(server, { fetch, calls: this.#calls, sharedFor: timeout + GRACE })
    this.#connections = new KeptConnections(fetch)
    const full = 'Too many introspection requests are waiting'
    this.#semaphore = new Semaphore({ concurrency, queue, timeout, full })
    this.#outage = new OutageReport(settings.listener)
    const lanes = new Set<CircuitBreaker>()
    this.#circuits = {
      known: new CircuitBreaker(response.verdictOfKnown, lanes, { trustsProbes: false }),
      // An unknown token does not prove that the server is up for known ones: it may hang as soon as it finds a token.
      unknown: new CircuitBreaker(response.verdictOf, lanes, { provesAll: response.isActive }),
    }
  }

  get clockTolerance(): Seconds {
    return this.#settings.policy.clockTolerance
  }

  get issuers(): readonly string[] {
    const { issuer } = this.#settings.server
    return issuer === undefined ? [] : [issuer]
  }

  async verify(
    token: string,
    presented: PresentedToken = new PresentedToken(token),
  ): Promise<Verification<Identity<Claims>>> {
    const hash = await presented.hash
    const known = this.#known.has(hash)
    const finding = this.#settings.answers.find<RawClaims, Verification<Identity<Claims>>>(presented, {
      ask: () =>
        this.#calls.run((signal) =>
          this.#semaphore.run((place) => this.#ask({ token, hash, signal, place }), { known, signal }),
        ),
      read: (answer) => this.#read(answer, presented),
      share: (answer) => response.shareable(answer, token),
      termsOf: response.termsOf,
    })
    if (!this.#settings.answers.isUsed) return finding
    // The store may wait for another process, which counts as well.
    return this.#calls.run((signal) => raceAbort(finding, signal))
  }

  async #read(answer: RawClaims, presented: PresentedToken): Promise<Verification<Identity<Claims>>> {
    const verification = await response.readResponse(answer, presented.text, this.#settings.policy)
    const hash = await presented.hash
    if (verification.active) this.#known.add(hash, (await callerOf(answer)) ?? '')
    else this.#known.delete(hash)
    return verification
  }

  async ready(): Promise<void> {
    await this.#calls.run((signal) => this.#endpoint.locate(signal))
  }

  close(): void {
    this.#calls.close()
  }

  describe(): IntrospectionDescription {
    const { known, unknown } = this.#circuits
    const { server, policy, inactiveStatus } = this.#settings
    return {
      kind: 'introspection',
      endpoint: this.#endpoint.shown,
      issuer: server.issuer,
      audience: policy.audience,
      allowHttp: [...server.allowHttp],
      inactiveStatus,
      circuit: known.state === 'closed' ? unknown.state : known.state,
      circuits: { known: known.state, unknown: unknown.state },
      unknownLimit: this.#throttle.limit,
      running: this.#semaphore.running,
      waiting: this.#semaphore.waiting,
      ...this.#settings.answers.describe(),
    }
  }

  async #ask({ token, hash, signal, place }: Question): Promise<RawClaims> {
    const { known } = place
    const circuit = this.#circuits[known ? 'known' : 'unknown']
    if (!known && !this.#throttle.tryAcquire())
      throw new UnavailableError('The authorization server answered 429: its rate limit is reached', {
        retryAfter: this.#throttle.wait,
      })
    const probe = () => this.#calls.run((limit) => this.#post(crypto.randomUUID(), limit, place))
    try {
      const call = () => this.#post(token, signal, place)
      const answer = await circuit.run({ hash, signal, call, probe })
      this.#outage.succeeded(this.#endpoint.server)
      if (!known) this.#throttle.answered()
      return answer
    } catch (cause) {
      if (cause instanceof CircuitOpenError) throw cause
      if (response.statusOf(cause) === 429 && circuit.state === 'closed') {
        const limited = this.#throttle.rejected({ hash, known, probe: () => limitOf(probe) })
        await raceAbort(limited, signal).catch(() => {})
      }
      if (response.mayHaveMoved(cause)) await this.#endpoint.relocate(signal, known)
      const failure = failureOf(cause)
      if (!this.#calls.isClosed) this.#outage.failed(this.#endpoint.server, failure, circuit)
      throw failure
    }
  }

  async #post(token: string, signal: AbortSignal, place: Place): Promise<RawClaims> {
    const { authenticate, inactiveStatus } = this.#settings
    const url = await this.#endpoint.locate(signal)
    const form = async () => {
      const headers = new Headers({ accept: 'application/json' })
      const body = new URLSearchParams({ token, token_type_hint: 'access_token' })
      await raceAbort(Promise.resolve(authenticate({ url, headers, body })), signal)
      return { headers, body }
    }
    const { status, body } = await this.#connections.post(url, form, signal, place, inactiveStatus)
    if (status === 200) return body
    const failure = response.failureStatus(status, body)
    if (failure === undefined) return { active: false }
    throw new UnusableAnswer(`${this.#endpoint.server} answered ${status}`, { status: failure })
  }
}

/** Returns the `Retry-After` of a 429. In seconds, 1 if it has none. `undefined` if the response is another one. */
async function limitOf(probe: () => Promise<unknown>): Promise<Seconds | undefined> {
  try {
    await probe()
  } catch (cause) {
    if (response.statusOf(cause) === 429) return askedWait(cause) || 1
  }
  return undefined
}
