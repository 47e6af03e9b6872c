/** Exports verifiers for the tokens of well-known providers, as `@bearergate/core/presets`. */

export { type Auth0Options, auth0 } from './auth0.ts'
export { type CognitoOptions, cognito } from './cognito.ts'
export { type EntraOptions, entra } from './entra.ts'
export { type GoogleOptions, google } from './google.ts'
export { type KeycloakOptions, keycloak } from './keycloak.ts'
export { type OktaOptions, okta } from './okta.ts'
export type { PresetOptions } from './preset.ts'
