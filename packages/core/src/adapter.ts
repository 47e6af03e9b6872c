/** What authors of adapters need: `@bearergate/core/adapter`. Applications need nothing of it. */

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
export { answerPreflight, type NodeHandler, type NodeResponse, sendAnswer } from './gate/node-response.ts'
export { toGate } from './gate/to-gate.ts'
export { type Answer, answerOf } from './model/decision.ts'
