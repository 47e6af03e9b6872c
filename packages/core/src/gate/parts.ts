/** Builds the parts of a gate from its options. */

import { type CacheHeaders, cacheHeaders } from '../answer/cache-headers.ts'
import { createChallenger } from '../answer/challenge.ts'
import { credentialsHint } from '../answer/hint.ts'
import { type ProtectedResource, protectedResource } from '../answer/metadata.ts'
import type { CorsMiddleware } from '../answer/preflight.ts'
import { type AsyncRule, type Context, toRequirement } from '../authorize/requirement.ts'
import { createExtract } from '../extract/extract.ts'
import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertOneOf,
  assertSeconds,
  assertString,
  readOptions,
} from '../lib/assert.ts'
import { assertCalled } from '../lib/called.ts'
import { assertClock, secondsOf } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { quoted } from '../lib/received.ts'
import { TOKEN_LENGTH, type TokenSyntax, type TokenText } from '../model/credentials.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionListener } from '../observe/events.ts'
import type { RequestLike } from '../request/request.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { Decisions } from './decisions.ts'
import { gateVerifier } from './gate-verifier.ts'
import { GATE_OPTIONS, type OnDenied, type VerifierGateOptions } from './options.ts'
import { RevocationCheck } from './revocation-check.ts'
import { TokenFinder } from './token-finder.ts'
import { Unauthenticated } from './unauthenticated.ts'
import { type UserLoader, unknownUserStatus, userLoader } from './user-loader.ts'

/** The parts of a gate, in the order in which a request meets them. */
export interface GateParts<V extends Identity<unknown>> {
  readonly tokens: TokenFinder<V>
  readonly verifier: TokenVerifier<V>
  /** Whether the gate created its verifier, and closes it. */
  readonly isOwn: boolean
  readonly revocations: RevocationCheck<V>
  /** The requirement for every request. */
  readonly required: AsyncRule<V, RequestLike> | undefined
  readonly context: Context
  readonly users: UserLoader<V> | undefined
  readonly caching: CacheHeaders
  readonly decisions: Decisions<V | undefined>
  readonly resource: ProtectedResource | undefined
  readonly realm: string
  /** How long a request waits for its decision. In seconds. */
  readonly deadline: Seconds
  readonly onDenied: OnDenied
  readonly cors: CorsMiddleware | undefined
}

/** Characters outside ASCII cannot be sent in a challenge (RFC 9110 §5.6.4). */
function realmOf(realm: string = 'api'): string {
  if (/^[ -~]*$/.test(assertString('realm', realm))) return realm
  throw configurationError(
    'INVALID_OPTION',
    `"realm" must be printable ASCII, because it is sent in a header field; received ${quoted(realm)}`,
  )
}

/** Reads which texts count as tokens. */
function tokenTextOf(options: {
  maxTokenLength?: number | undefined
  tokenSyntax?: TokenSyntax | undefined
  verifier?: unknown
}): TokenText {
  const syntax = assertOneOf<TokenSyntax>('tokenSyntax', options.tokenSyntax, ['b64token', 'visible-ascii'])
  if (syntax !== 'b64token' && options.verifier === undefined)
    throw configurationError(
      'INVALID_OPTION',
      '"tokenSyntax" can only be combined with "verifier": without it the gate accepts only JWTs, which always have the syntax b64token',
    )
  return { maxLength: assertInteger('maxTokenLength', options.maxTokenLength, TOKEN_LENGTH), syntax }
}

/** @throws TypeError if an option is unknown, missing or invalid */
export function gateParts<V extends Identity<unknown>>(
  options: Partial<VerifierGateOptions<V, boolean>>,
): GateParts<V> {
  assertCalled(
    'createGate',
    options,
    "createGate({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })",
  )
  if (typeof (options as Partial<TokenVerifier> | undefined)?.verify === 'function')
    throw configurationError(
      'INVALID_ARGUMENT',
      'the options are a verifier: pass it as an option, such as createGate({ verifier: jwt(…) })',
    )
  const read = readOptions('createGate', options, GATE_OPTIONS)
  const now = assertClock(read.now)
  const { verifier, isOwn } = gateVerifier<V>(read, now)
  const deadline = assertSeconds('deadline', read.deadline, { preset: 10, min: 0.01, max: 120 })
  const tokenText = tokenTextOf(read)
  const extract = createExtract(read.tokenFrom, deadline, tokenText)
  const { header, cookie } = read.tokenFrom ?? {}
  const caching = cacheHeaders(
    header === false ? '' : header === true ? undefined : header,
    cookie !== undefined,
    assertBoolean('optional', read.optional),
  )
  const required = read.requirement === undefined ? undefined : toRequirement('requirement', read.requirement)
  const realm = realmOf(read.realm)
  const scopes = required?.scopes ?? []
  const places = read.tokenFrom ?? {}
  const resource =
    read.resource === undefined
      ? undefined
      : protectedResource(read.resource, { issuers: verifier.issuers ?? [], scopes, places })
  const exposed = assertBoolean('exposeChallenge', read.exposeChallenge)
  const challenger = createChallenger({
    realm,
    scopes,
    metadataUrl: resource?.url,
    exposed,
    hint: credentialsHint(read.tokenFrom),
    unknownUserStatus: unknownUserStatus(read.unknownUserStatus),
  })
  const onDecision = assertFunction('onDecision', read.onDecision, undefined)
  const onDenied = assertOneOf<OnDenied>('onDenied', read.onDenied, ['answer', 'next'])
  const unauthenticated = new Unauthenticated(read as object, caching.anonymous)
  return {
    tokens: new TokenFinder({ ...read, text: tokenText }, extract, unauthenticated, verifier),
    cors: unauthenticated.cors,
    verifier,
    isOwn,
    revocations: new RevocationCheck(read, now),
    required,
    context: {
      now: () => secondsOf(now),
      implies: assertFunction('scopeImplies', read.scopeImplies, undefined),
    },
    users: userLoader<V>(read),
    caching,
    decisions: new Decisions(challenger, {
      onDecision: onDecision as DecisionListener<V | undefined> | undefined,
      answer: assertFunction('answer', read.answer, undefined),
      onDenied,
      deadline,
    }),
    resource,
    realm,
    deadline,
    onDenied,
  }
}
