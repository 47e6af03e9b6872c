/** The public surface: explicit named exports, nothing else. */

export {
  attach,
  authorizeAttached,
  identityFrom,
  insist,
  type NodeResponse,
  type Scopes,
  scopesRequirement,
} from './gate/attach.ts'
export {
  acr,
  allOf,
  anyOf,
  claim,
  maxAge,
  type Requirement,
  type Rule,
  requirement,
  role,
  scope,
} from './authorize/requirement.ts'
export type { RequiredHeaders } from './answer/cache-headers.ts'
export {
  type Allowed,
  type Anonymous,
  type Answer,
  answerOf,
  type Decision,
  type Passed,
  type Preflight,
  type Refusal,
  RefusalError,
} from './model/decision.ts'
export type {
  DecisionEvent,
  DecisionListener,
  IntrospectionEvent,
  IntrospectionListener,
  KeySetEvent,
  KeySetListener,
} from './observe/events.ts'
export type { CredentialPlaces } from './extract/extract.ts'
export type { Background, ProtectedHandler } from './gate/protect.ts'
export { createGate, type Gate, type GateDescription, gateOf } from './gate/gate.ts'
export type {
  GateSettings,
  IssuerGateOptions,
  OnReject,
  Passing,
  VerifierGateOptions,
} from './gate/options.ts'
export type { Identity, IdentitySource, Sender, TokenSource } from './model/identity.ts'
export { metadataAnswer, type PublicAnswer, type ResourceMetadata } from './answer/metadata.ts'
export type { Seconds } from './lib/assert.ts'
export type { Fetch } from './net/fetch-json.ts'
export type { CorsMiddleware, PreflightPolicy } from './answer/preflight.ts'
export { type Reason, type Rejection, Unavailable } from './model/rejection.ts'
export { type FrameworkRequest, type NodeRequest, nodeRequest, type RequestView } from './request/request.ts'
export {
  type MemoryRevocationsOptions,
  memoryRevocations,
  type Revocation,
  type RevocationEntry,
  type RevocationStore,
} from './state/revocations.ts'
export { type CacheOptions, cached } from './verify/cached.ts'
export { chain } from './verify/chain.ts'
export type { Profile } from './verify/jwt/claims.ts'
export {
  type ClientAuthentication,
  type ClientRequest,
  type PrivateKeyJwtOptions,
  privateKeyJwt,
} from './verify/introspection/client-auth.ts'
export {
  type IntrospectionDescription,
  type IntrospectionOptions,
  introspection,
} from './verify/introspection/introspection.ts'
export { type IssuersOptions, issuers } from './verify/jwt/multi-issuer.ts'
export type { Algorithm } from './verify/keys/jwk.ts'
export type { KeySetDescription } from './verify/keys/jwks.ts'
export { type JwtDescription, jwt } from './verify/jwt/jwt.ts'
export type { IssuerOptions, JsonWebKeySet, JwtOptions, JwtSettings } from './verify/jwt/options.ts'
export type { KeySetStore, StoredKeySet } from './state/jwks-store.ts'
export type { KeySetOptions } from './verify/keys/remote-key-set.ts'
export type { ClaimsOptions } from './verify/claims/mapping.ts'
export { generateToken, hashToken, type OpaqueOptions, type OpaqueToken, opaque } from './verify/opaque/opaque.ts'
export type { StandardSchema } from './verify/claims/schema.ts'
export { type StaticToken, staticTokens } from './verify/opaque/static.ts'
export type { ResolveIssuer } from './verify/jwt/issuer-resolver.ts'
export type { Active, Inactive, TokenVerifier, Verification } from './verify/verifier.ts'
export {
  type AuthenticatedUpgrade,
  authenticateUpgrade,
  type UpgradeSocket,
  type WebSocketHandshake,
  type WebSocketOptions,
  webSocketHandshake,
} from './hosts/websocket.ts'
