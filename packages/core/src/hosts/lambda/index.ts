/** AWS Lambda: handlers behind API Gateway, load balancers and function URLs, and authorizers. `@bearergate/core/lambda`. */

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
