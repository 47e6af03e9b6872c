/**
 * Exports the API for applications, as `@bearergate/core`.
 *
 * Start with `createGate`, which checks requests by a `TokenVerifier`. Verifiers come from `jwt`, `multiIssuerJwt`,
 * `introspection`, `opaque` and `staticTokens`, alone, combined by `chain`, or with a cache by `cached`. Requirements of single
 * routes come from `scope`, `role`, `claim`, `acr`, `maxAge`, `allOf` and `anyOf`.
 *
 * Only named exports, each listed here: nothing becomes public by accident.
 */

export { type AnswerFunction, type CustomAnswer, problemDetails } from './answer/custom.ts'
export { BearerAuthError } from './answer/error.ts'
export type { ResourceMetadata } from './answer/metadata.ts'
export type { CorsMiddleware, PreflightPolicy } from './answer/preflight.ts'
export { claim } from './authorize/claim.ts'
export { allOf, anyOf } from './authorize/combinators.ts'
export type { AsyncRule, Requirement, Rule, SyncRequirement } from './authorize/requirement.ts'
export { role } from './authorize/role.ts'
export { scope } from './authorize/scope.ts'
export { acr, maxAge } from './authorize/step-up.ts'
export { createGate } from './gate/create-gate.ts'
export type { Gate, GateDescription } from './gate/interface.ts'
export type { Background } from './gate/keep-alive.ts'
export type { GateSettings, IssuerGateOptions, OnDenied, VerifierGateOptions } from './gate/options.ts'
export type { Revocation } from './gate/revoke.ts'
export { authenticateUpgrade, fromWebSocketRequest, type WebSocketOptions } from './hosts/websocket.ts'
export type { TokenSource, TokenSources } from './model/credentials.ts'
export type { Allowed, Anonymous, Decision, Denied, Passed, Preflight } from './model/decision.ts'
export type { Identity, IdentitySource } from './model/identity.ts'
export type { Reason, Rejection } from './model/rejection.ts'
export { UnavailableError } from './model/unavailable.ts'
export type { Seconds } from './model/units.ts'
export type { Fetch } from './net/fetch-json.ts'
export type {
  DecisionEvent,
  DecisionListener,
  IntrospectionEvent,
  IntrospectionListener,
  JwksEvent,
  JwksListener,
} from './observe/events.ts'
export { fromNodeRequest } from './request/node.ts'
export type { RequestLike } from './request/request.ts'
export type { JwksStore, StoredJwks } from './state/jwks-store.ts'
export { type MemoryRevocationsOptions, memoryRevocations } from './state/memory-revocations.ts'
export type {
  NewAnswer,
  ResultQuestion,
  ResultStore,
  SharedAnswer,
  StoredAnswer,
} from './state/result-store.ts'
export type { RevocationEntry, RevocationStore } from './state/revocations.ts'
export type { CacheOptions, SharedCacheOptions } from './verify/cache-limits.ts'
export { type CacheDescription, cached } from './verify/cached.ts'
export { chain } from './verify/chain.ts'
export type { ClaimsOptions } from './verify/claims/mapping.ts'
export type { StandardSchema } from './verify/claims/schema.ts'
export {
  type ClientAuthentication,
  type PrivateKeyJwtOptions,
  privateKeyJwt,
} from './verify/introspection/client-auth.ts'
export type { IntrospectionDescription } from './verify/introspection/description.ts'
export {
  type IntrospectionOptions,
  introspection,
} from './verify/introspection/introspection.ts'
export type { Profile } from './verify/jwt/claims.ts'
export type { JwtDescription } from './verify/jwt/description.ts'
export type { IssuerResolver } from './verify/jwt/issuer-resolver.ts'
export { jwt } from './verify/jwt/jwt.ts'
export { type MultiIssuerOptions, multiIssuerJwt } from './verify/jwt/multi-issuer.ts'
export type { IssuerOptions, JsonWebKeySet, JwtOptions, JwtSettings } from './verify/jwt/options.ts'
export type { Algorithm } from './verify/keys/jwk.ts'
export type { KeySetDescription } from './verify/keys/key-set.ts'
export type { KeySetOptions } from './verify/keys/options.ts'
export { type OpaqueOptions, type OpaqueToken, opaque } from './verify/opaque/opaque.ts'
export { type StaticToken, staticTokens } from './verify/opaque/static.ts'
export { generateToken, hashToken } from './verify/opaque/token.ts'
export type { Active, Inactive, Verification } from './verify/verification.ts'
export type { TokenVerifier } from './verify/verifier.ts'
