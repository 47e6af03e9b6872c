/** Exports handlers and authorizers for AWS Lambda, as `@bearergate/core/lambda`. */

export {
  type LambdaAuthorization,
  type LambdaAuthorizerContext,
  type LambdaAuthorizerEvent,
  type LambdaAuthorizerOptions,
  type LambdaPolicy,
  type LambdaSimpleResponse,
  lambdaAuthorizer,
} from './authorizer.ts'
export { fromLambdaEvent, type LambdaEvent } from './event.ts'
export { type LambdaResult, lambda } from './handler.ts'
