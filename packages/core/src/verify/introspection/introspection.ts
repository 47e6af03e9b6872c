/** Asks the authorization server what a token is worth (RFC 7662). */

import { runtimeFetch } from '#runtime-fetch'
import { raceAbort } from '../../lib/abort.ts'
import { assertFunction, assertInteger, assertNumber, assertStrings, readOptions } from '../../lib/assert.ts'
import { monotonic, secondsOf, now as systemNow, timeout } from '../../lib/clock.ts'
import { getOwn, isNestedTooDeeply, isObject } from '../../lib/json.ts'
import {
  httpHosts,
  type Issuer,
  parseIssuer,
  type SecureUrl,
  secureUrl,
  uriText,
  withoutQuery,
} from '../../lib/url.ts'
import type { Identity } from '../../model/identity.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import {
  CircuitBreaker,
  CircuitOpenError,
  type CircuitState,
  type Verdict,
} from '../../net/circuit-breaker.ts'
import { type Fetch, KeptConnections, UnusableAnswer } from '../../net/fetch-json.ts'
import { type Place, Semaphore } from '../../net/semaphore.ts'
import { Throttle } from '../../net/throttle.ts'
import type { IntrospectionListener } from '../../observe/events.ts'
import { notify } from '../../observe/notify.ts'
import { Cache, type CacheOptions, givenLimits } from '../cached.ts'
import { markValidated } from '../checked.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions, claimsReader, type ReadClaims } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import { checkIntrospected } from '../jwt/claims.ts'
import { discover } from '../keys/discovery.ts'
import { callerOf } from '../keys/known-callers.ts'
import { PresentedToken } from '../presented.ts'
import { inactive, isInactive, type TokenVerifier, type Verification } from '../verifier.ts'
import { type ClientAuthentication, clientAuthentication, type SecretMethod } from './client-auth.ts'
import { KnownTokens } from './known-tokens.ts'

/** Where the authorization server is, who we are to it, and what its answers must say. */
export type IntrospectionOptions<Claims = RawClaims> = IntrospectionSettings<Claims> & Server & Client

type Server =
  | {
      /** The URL of the introspection endpoint: https (http on loopback or by `allowHttp` only), without user name and fragment. */
      endpoint: string
      /** The issuer that an `iss` in an answer must name. Any URI or name, since nothing is fetched from it. Default: not checked. */
      issuer?: string | undefined
    }
  | {
      /**
       * The issuer whose metadata names the endpoint (RFC 8414, then OpenID Connect Discovery), and that an `iss` in an
       * answer must name: an https URL (http on loopback or by `allowHttp` only) in canonical form, without user name, query and fragment.
       * The endpoint must not be a private or loopback address unless the issuer is one.
       */
      issuer: string
      endpoint?: undefined
    }

type Client =
  | {
      clientId: string
      clientSecret: string
      /** Where the secret is sent. Default `client_secret_basic`, in the `Authorization` field. */
      authenticate?: SecretMethod | undefined
    }
  | {
      /** Adds to each request what proves who asks, such as `privateKeyJwt` does. */
      authenticate: ClientAuthentication
      clientId?: undefined
      clientSecret?: undefined
    }

export interface IntrospectionSettings<Claims = RawClaims> extends ClaimsOptions<Claims> {
  /** Who we are: one of these must stand in the answer's `aud`. Only `null`, in writing, asks nothing of it. */
  audience: string | readonly string[] | null
  /**
   * The hosts that plain http is allowed for, each with its port unless that is 80, such as `['keycloak:8080']`. Compared
   * exactly, without wildcards. For networks of your own only, such as those of containers: whoever can read packets there
   * gets the tokens and our own credentials, and whoever can change them decides which tokens are active. Default: https,
   * and http on loopback.
   */
  allowHttp?: readonly string[] | undefined
  /**
   * How long one introspection may take, its wait included. In seconds, 0.001–60. Default 3. After that the answer is 503.
   * With more, callers wait longer for a slow server. With less, a slow server is unavailable sooner.
   */
  timeout?: Seconds | undefined
  /**
   * How many introspection requests are open at once, 1–10,000. Default 64. Probes, hedged requests and cancelled requests
   * count until they have ended. Tokens that were never active here use at most three quarters of them (rounded down, at
   * least one). The rest is reserved for known tokens, which were active before.
   */
  concurrency?: number | undefined
  /**
   * How many more introspection requests may wait, 0–100,000. Default 1,000. Known tokens go first. If the queue is full, a
   * known token takes the place of the unknown one that arrived last. Tokens without a place are answered 503 at once, and
   * so are those that would not be answered within `timeout`, by the latency of recent requests.
   */
  queue?: number | undefined
  /** How far the clocks may be apart, in seconds, 0 to 300. Default 30. */
  clockTolerance?: Seconds | undefined
  /** Keeps answers, for `ttl` seconds at most: so long may a revocation go unseen. Default: every request is asked about. */
  cache?: Omit<CacheOptions, 'now'> | undefined
  /** Told of each failure to get an answer, and of the recovery. */
  onIntrospection?: IntrospectionListener | undefined
  /** The clock by which answers are judged, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /** What to fetch with. Default: the runtime's `fetch`. */
  fetch?: Fetch | undefined
}

const OPTIONS = [
  'endpoint',
  'issuer',
  'clientId',
  'clientSecret',
  'authenticate',
  'audience',
  'allowHttp',
  'timeout',
  'concurrency',
  'queue',
  'clockTolerance',
  ...CLAIMS_OPTIONS,
  'cache',
  'onIntrospection',
  'now',
  'fetch',
]

/**
 * Verifies tokens by asking their authorization server. A server that cannot be asked, refuses our own credentials, or
 * answers with anything but an introspection response, is no verdict on the token: 503. Requests with the same token share
 * one question.
 *
 * Checked here as well, where the answer says it: `exp`, `nbf`, `iat`, `iss` and `token_type`; and `aud`, always.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function introspection<Claims = RawClaims>(
  options: IntrospectionOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('introspection', options, OPTIONS)
  const now = assertFunction('now', read.now, systemNow)
  const limits = read.cache === undefined ? { ttl: 0, negativeTtl: 0, max: 1 } : givenLimits(read.cache)
  return new Cache(new Introspector(read, now), limits, now)
}

/** How much longer than its deadline a discovery may take to end, in seconds. */
const GRACE: Seconds = 1
/** How many known tokens are remembered. */
const MAX_KNOWN = 10_000

type Lane = 'known' | 'unknown'

/** What the server is asked about, until when, and in which place. */
interface Question {
  readonly token: string
  readonly hash: string
  readonly signal: AbortSignal
  readonly place: Place
}

class Introspector<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #issuer: string | undefined
  readonly #audience: readonly string[] | null
  readonly #clockTolerance: Seconds
  readonly #allowHttp: ReadonlySet<string>
  readonly #timeout: Seconds
  readonly #authenticate: ClientAuthentication
  readonly #read: ReadClaims<Claims>
  readonly #listener: IntrospectionListener | undefined
  readonly #fetch: Fetch
  readonly #connections: KeptConnections
  readonly #now: () => number
  readonly #semaphore: Semaphore
  readonly #circuits: Readonly<Record<Lane, CircuitBreaker>>
  readonly #known = new KnownTokens(MAX_KNOWN)
  readonly #throttle = new Throttle()
  /** What is under way. One listener of each on a common signal would be a leak to Node, which warns of more than ten. */
  readonly #underWay = new Set<AbortController>()
  #closed: UnavailableError | undefined
  readonly #discovers: boolean
  #endpoint: SecureUrl | undefined
  #discovery: Promise<SecureUrl> | undefined
  #discoveringUntil: Seconds = 0
  #isFailing = false

  constructor(options: IntrospectionOptions<Claims>, now: () => number) {
    const { endpoint, issuer, audience } = options
    if (endpoint === undefined && issuer === undefined)
      throw new TypeError('"endpoint" must be given, or "issuer", whose metadata names it')
    this.#allowHttp = httpHosts(options.allowHttp)
    this.#endpoint = endpoint === undefined ? undefined : secureUrl('endpoint', endpoint, this.#allowHttp)
    this.#discovers = endpoint === undefined
    if (issuer !== undefined)
      this.#issuer = this.#discovers
        ? parseIssuer(
            'issuer',
            issuer,
            'give "endpoint", so that nothing is fetched from it',
            this.#allowHttp,
          )
        : uriText('issuer', issuer)
    if (audience === undefined) throw new TypeError('"audience" must be given; only null asks nothing of it')
    this.#audience = audience === null ? null : assertStrings('audience', audience)
    this.#authenticate = clientAuthentication(options)
    this.#clockTolerance = assertNumber('clockTolerance', options.clockTolerance, {
      preset: 30,
      min: 0,
      max: 300,
    })
    this.#timeout = assertNumber('timeout', options.timeout, { preset: 3, min: 0.001, max: 60 })
    this.#semaphore = new Semaphore({
      concurrency: assertInteger('concurrency', options.concurrency, { preset: 64, min: 1, max: 10_000 }),
      queue: assertInteger('queue', options.queue, { preset: 1_000, min: 0, max: 100_000 }),
      timeout: this.#timeout,
      full: 'Too many introspection requests are waiting',
    })
    const lanes = new Set<CircuitBreaker>()
    this.#circuits = {
      known: new CircuitBreaker(verdictOfKnown, lanes, { trustsProbes: false }),
      unknown: new CircuitBreaker(verdictOf, lanes, { provesAll: isActive }),
    }
    this.#read = claimsReader('introspection', options, this.#audience, this.#issuer)
    this.#listener = assertFunction<IntrospectionListener, undefined>(
      'onIntrospection',
      options.onIntrospection,
      undefined,
    )
    this.#fetch = assertFunction<Fetch, Fetch>('fetch', options.fetch, runtimeFetch)
    this.#connections = new KeptConnections(this.#fetch)
    this.#now = now
  }

  get clockTolerance(): Seconds {
    return this.#clockTolerance
  }

  get issuers(): readonly string[] {
    return this.#issuer === undefined ? [] : [this.#issuer]
  }

  async verify(
    token: string,
    presented = new PresentedToken(token),
  ): Promise<Verification<Identity<Claims>>> {
    const hash = await presented.hash
    const known = this.#known.has(hash)
    const circuit = this.#circuits[known ? 'known' : 'unknown']
    const answer = await this.#inTime((signal) =>
      this.#semaphore.run((place) => this.#ask(circuit, { token, hash, signal, place }), { known, signal }),
    )
    const verification = await this.#judge(answer, token)
    if (verification.active) this.#known.add(hash, (await callerOf(answer)) ?? '')
    else this.#known.delete(hash)
    return verification
  }

  async ready(): Promise<void> {
    await this.#inTime((signal) => this.#locate(signal))
  }

  close(): void {
    this.#closed = new UnavailableError('The gate is closed')
    for (const abort of this.#underWay) abort.abort(this.#closed)
  }

  describe(): IntrospectionDescription {
    const { known, unknown } = this.#circuits
    return {
      kind: 'introspection',
      endpoint: this.#endpoint === undefined ? undefined : withoutQuery(this.#endpoint),
      issuer: this.#issuer,
      audience: this.#audience,
      allowHttp: [...this.#allowHttp],
      circuit: known.state === 'closed' ? unknown.state : known.state,
      circuits: { known: known.state, unknown: unknown.state },
      unknownLimit: this.#throttle.limit,
      running: this.#semaphore.running,
      waiting: this.#semaphore.waiting,
    }
  }

  /** With one deadline over all of it. */
  async #inTime<T>(call: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw this.#closed
    const abort = new AbortController()
    const deadline = timeout(this.#timeout)
    const late = () => abort.abort(new UnavailableError('The authorization server did not answer in time'))
    deadline.addEventListener('abort', late)
    this.#underWay.add(abort)
    try {
      return await call(abort.signal)
    } finally {
      deadline.removeEventListener('abort', late)
      this.#underWay.delete(abort)
    }
  }

  async #ask(circuit: CircuitBreaker, { token, hash, signal, place }: Question): Promise<RawClaims> {
    const { known } = place
    if (!known && !this.#throttle.tryAcquire())
      throw new UnavailableError('The authorization server limits our requests: it answered 429', {
        retryAfter: this.#throttle.wait,
      })
    const probe = () => this.#inTime((limit) => this.#post(crypto.randomUUID(), limit, place))
    try {
      const call = () => this.#post(token, signal, place)
      const answer = await circuit.run({ hash, signal, call, probe })
      this.#succeeded()
      if (!known) this.#throttle.answered()
      return answer
    } catch (cause) {
      if (cause instanceof CircuitOpenError) throw cause
      if (statusOf(cause) === 429 && circuit.state === 'closed')
        await raceAbort(this.#throttle.rejected({ hash, known, probe: () => limitOf(probe) }), signal).catch(
          () => {},
        )
      // Other callers use the old endpoint until a new one is found: it may be this token alone that fails.
      if (this.#discovers && this.#endpoint !== undefined && isElsewhere(statusOf(cause)))
        await raceAbort(this.#discovered(), signal).catch(() => {})
      throw this.#failed(cause, circuit)
    }
  }

  async #post(token: string, signal: AbortSignal, place: Place): Promise<RawClaims> {
    const url = await this.#locate(signal)
    const question = async () => {
      const headers = new Headers({ accept: 'application/json' })
      const body = new URLSearchParams({ token, token_type_hint: 'access_token' })
      await raceAbort(Promise.resolve(this.#authenticate({ url, headers, body })), signal)
      return { headers, body }
    }
    const answer = await this.#connections.post(url, question, signal, place)
    return answer.body
  }

  #locate(signal: AbortSignal): Promise<SecureUrl> {
    if (this.#endpoint !== undefined) return Promise.resolve(this.#endpoint)
    return raceAbort(this.#discovered(), signal)
  }

  /** Discovers the endpoint. Concurrent callers share one discovery. */
  #discovered(): Promise<SecureUrl> {
    const now = monotonic()
    // One that should have ended was let go by the runtime, with the request that it belonged to.
    if (this.#discovery === undefined || now >= this.#discoveringUntil) {
      this.#discoveringUntil = now + this.#timeout + GRACE
      const discovery = this.#discover().finally(() => {
        if (this.#discovery === discovery) this.#discovery = undefined
      })
      this.#discovery = discovery
    }
    return this.#discovery
  }

  async #discover(): Promise<SecureUrl> {
    const endpoint = await this.#inTime((signal) =>
      discover(this.#issuer as Issuer, 'introspection_endpoint', this.#allowHttp, this.#fetch, signal),
    )
    this.#endpoint = endpoint
    return endpoint
  }

  async #judge(answer: RawClaims, token: string): Promise<Verification<Identity<Claims>>> {
    const active = getOwn(answer, 'active')
    if (active === undefined)
      throw new UnavailableError('The answer has no "active": it is no introspection response')
    if (active === false) return inactive('unknown_token')
    if (active !== true) return inactive('unknown_token', '"active" is neither true nor false')
    if (isNestedTooDeeply(answer)) throw new UnavailableError('The answer is nested too deeply')
    // Some servers write null for what there is not.
    const said = Object.fromEntries(Object.entries(answer).filter(([, value]) => value !== null))
    const policy = {
      issuer: this.#issuer,
      audience: this.#audience,
      clockTolerance: this.#clockTolerance,
    }
    const refusal = checkIntrospected(said, policy, secondsOf(this.#now))
    if (refusal !== undefined) return refusal
    const identity = await this.#read(withoutToken(said, token))
    if (isInactive(identity)) return identity
    return markValidated(
      { active: true, identity, expiresAt: identity.expiresAt },
      this.#now,
      this.#clockTolerance,
    )
  }

  #succeeded(): void {
    if (this.#isFailing) notify(this.#listener, { type: 'recovered', server: this.#server })
    this.#isFailing = false
  }

  #failed(cause: unknown, circuit: CircuitBreaker): UnavailableError {
    const status = statusOf(cause)
    const unauthorized = status === 401 || status === 403
    const failure = unauthorized
      ? new UnavailableError('The authorization server refused our own credentials', { cause })
      : cause instanceof UnavailableError
        ? cause
        : new UnavailableError('The authorization server cannot be asked', { cause })
    if (this.#closed !== undefined) return failure
    this.#isFailing = true
    notify(this.#listener, {
      type: 'failed',
      server: this.#server,
      cause: failure,
      unauthorized,
      circuit: circuit.state,
      retryAfter: circuit.wait,
    })
    return failure
  }

  get #server(): string {
    return withoutQuery(this.#endpoint ?? this.#issuer ?? '')
  }
}

/** A shorter token may be part of a claim by chance. */
const MIN_ECHO = 8

/**
 * Removes the members that show the token. Some servers repeat it in their answer, and an identity must be safe to log.
 * A subject that only contains it stays, because everything that a user owns may hang on it.
 */
function withoutToken(claims: RawClaims, token: string): RawClaims {
  const echoes = [JSON.stringify(token).slice(1, -1), token.replace(/[+/=]/g, encodeURIComponent)]
  const shows = ([name, value]: readonly [string, unknown]) => {
    if (value === token) return true
    if (name === 'sub' || token.length < MIN_ECHO) return false
    const text = JSON.stringify([name, value])
    return echoes.some((echo) => text.includes(echo))
  }
  return Object.fromEntries(Object.entries(claims).filter((member) => !shows(member)))
}

/** That a token is unknown does not prove that the server is up for known ones: it may hang as soon as it finds a token. */
function isActive(answer: unknown): boolean {
  return isObject(answer) && getOwn(answer, 'active') === true
}

/** Nobody there, or nobody who knows of introspection: it may have moved, and the metadata tells where. */
function isElsewhere(status: number | undefined): boolean {
  return status === undefined || status === 404 || status === 410
}

/** A 4xx caused by one token proves that the server is up. 401 is about our credentials, 408 and 429 about the server. */
function verdictOf(cause: unknown): Verdict {
  const status = statusOf(cause)
  if (status !== undefined && status >= 400 && status < 500 && ![401, 408, 429].includes(status)) return 'up'
  // Everything that goes wrong with the server is UnavailableError. Other errors come from the function that authenticates us.
  return cause instanceof UnavailableError ? 'down' : 'unclear'
}

/** Known tokens are introspected in spite of a 429: it is the requests for unknown ones that are slowed down. */
function verdictOfKnown(cause: unknown): Verdict {
  return statusOf(cause) === 429 ? 'limited' : verdictOf(cause)
}

/** Returns the `Retry-After` of a 429, in seconds. `undefined` if the response is another one, or there is none. */
async function limitOf(probe: () => Promise<unknown>): Promise<Seconds | undefined> {
  try {
    await probe()
  } catch (cause) {
    if (statusOf(cause) === 429) return (cause as UnavailableError).retryAfter
  }
  return undefined
}

function statusOf(cause: unknown): number | undefined {
  return cause instanceof UnusableAnswer ? cause.status : undefined
}

/** How an `introspection` verifier is set up and how it fares, for operators. */
export interface IntrospectionDescription {
  readonly kind: 'introspection'
  /** Without its query, which may hold a secret. `undefined` before it is discovered. */
  readonly endpoint: string | undefined
  readonly issuer: string | undefined
  readonly audience: readonly string[] | null
  /** The hosts that plain http is allowed for. */
  readonly allowHttp: readonly string[]
  /** The state of the circuit of known tokens, or of unknown ones if the former is closed. */
  readonly circuit: CircuitState
  /** The circuits of tokens that were active before, and of all others. */
  readonly circuits: Readonly<Record<'known' | 'unknown', CircuitState>>
  /** How many unknown tokens are introspected per second, after the server answered 429. `undefined` without a limit. */
  readonly unknownLimit: number | undefined
  /** How many introspection requests run, and how many wait. */
  readonly running: number
  readonly waiting: number
}
