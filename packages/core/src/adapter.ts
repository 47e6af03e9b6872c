/**
 * Exports the API for authors of adapters, as `@bearergate/core/adapter`. Applications do not need it.
 *
 * An adapter translates the request (`fromNodeRequest`, or a `RequestLike` of your own), calls the gate, and sends the answer
 * (`answerOf`, `sendAnswer`). It stores the decision of an allowed request (`setDecision`), so that route helpers find it
 * (`getIdentity`, `authorizeRequest`), and adds the headers that the response must carry (`forceHeaders`).
 */

export { type MetadataResponse, metadataHandler } from './answer/metadata.ts'
export { toRequirement } from './authorize/requirement.ts'
export {
  type Authorizing,
  authorizeRequest,
  type CallerHelpers,
  callerHelpers,
  type Scopes,
  scopesRequirement,
} from './gate/attach.ts'
export { setDecision } from './gate/attachments.ts'
export { forceHeaders } from './gate/force-headers.ts'
export type { HandlerOptions } from './gate/handler-options.ts'
export {
  answerPreflight,
  type NodeHandler,
  type NodeResponse,
  removeTargetedCacheControl,
  sendAnswer,
} from './gate/node-response.ts'
export type { AllowedIdentity, AllowedUser, UserObject } from './gate/options.ts'
export type { ProtectedHandler } from './gate/protect.ts'
export { toGate } from './gate/to-gate.ts'
export type { AuthenticatedUpgrade, UpgradeSocket, WebSocketHandshake } from './hosts/websocket.ts'
export { assertHost } from './lib/called.ts'
export { type ConfigurationCode, configurationError } from './lib/configuration-error.ts'
export type { RequiredHeaders } from './model/decision.ts'
export { type Answer, answerOf } from './model/decision.ts'
export type { DecisionStage } from './observe/events.ts'
export type { Check, CheckName, Explanation, VerifierExplanation } from './observe/explain.ts'
export type { FrameworkRequest, NodeRequest } from './request/node.ts'
export type { ClientRequest } from './verify/introspection/client-auth.ts'
