/** The names that the packages export: a name more or less is a decision, not an accident. */

import * as core from '@bearergate/core'
import * as adapter from '@bearergate/core/adapter'
import * as lambda from '@bearergate/core/lambda'
import * as node from '@bearergate/core/node'
import * as presets from '@bearergate/core/presets'
import * as express from '@bearergate/express'
import * as koa from '@bearergate/koa'
import { describe, expect, it } from 'vitest'
import { sourcesOf } from './sources.ts'

const ADAPTER = ['authorize', 'bearer', 'protectedResource', 'requireScope']

const CORE = [
  'BearerAuthError',
  'UnavailableError',
  'acr',
  'allOf',
  'anyOf',
  'authenticateUpgrade',
  'cached',
  'chain',
  'claim',
  'createGate',
  'fromNodeRequest',
  'fromWebSocketRequest',
  'generateToken',
  'hashToken',
  'introspection',
  'jwt',
  'maxAge',
  'memoryRevocations',
  'multiIssuerJwt',
  'opaque',
  'privateKeyJwt',
  'problemDetails',
  'role',
  'scope',
  'staticTokens',
]

const CORE_TYPES = [
  'Active',
  'Algorithm',
  'Allowed',
  'Anonymous',
  'AnswerFunction',
  'AsyncRule',
  'Background',
  'CacheDescription',
  'CacheOptions',
  'ClaimsOptions',
  'ClientAuthentication',
  'CorsMiddleware',
  'CustomAnswer',
  'Decision',
  'DecisionEvent',
  'DecisionListener',
  'Denied',
  'Fetch',
  'Gate',
  'GateDescription',
  'GateSettings',
  'Identity',
  'IdentitySource',
  'Inactive',
  'IntrospectionDescription',
  'IntrospectionEvent',
  'IntrospectionListener',
  'IntrospectionOptions',
  'IssuerGateOptions',
  'IssuerOptions',
  'IssuerResolver',
  'JsonWebKeySet',
  'JwksEvent',
  'JwksListener',
  'JwksStore',
  'JwtDescription',
  'JwtOptions',
  'JwtSettings',
  'KeySetDescription',
  'KeySetOptions',
  'MemoryRevocationsOptions',
  'MultiIssuerOptions',
  'NewAnswer',
  'OnDenied',
  'OpaqueOptions',
  'OpaqueToken',
  'Passed',
  'Preflight',
  'PreflightPolicy',
  'PrivateKeyJwtOptions',
  'Profile',
  'Reason',
  'Rejection',
  'RequestLike',
  'Requirement',
  'ResourceMetadata',
  'ResultQuestion',
  'ResultStore',
  'Revocation',
  'RevocationEntry',
  'RevocationStore',
  'Rule',
  'Seconds',
  'SharedAnswer',
  'SharedCacheOptions',
  'StandardSchema',
  'StaticToken',
  'StoredAnswer',
  'StoredJwks',
  'SyncRequirement',
  'TokenSource',
  'TokenSources',
  'TokenVerifier',
  'Verification',
  'VerifierGateOptions',
  'WebSocketOptions',
]

const ADAPTER_AUTHORS = [
  'answerOf',
  'answerPreflight',
  'assertHost',
  'authorizeRequest',
  'callerHelpers',
  'configurationError',
  'forceHeaders',
  'metadataHandler',
  'removeTargetedCacheControl',
  'scopesRequirement',
  'sendAnswer',
  'setDecision',
  'toGate',
  'toRequirement',
]

const ADAPTER_AUTHORS_TYPES = [
  'AllowedIdentity',
  'AllowedUser',
  'Answer',
  'AuthenticatedUpgrade',
  'Authorizing',
  'CallerHelpers',
  'Check',
  'CheckName',
  'ClientRequest',
  'ConfigurationCode',
  'DecisionStage',
  'Explanation',
  'FrameworkRequest',
  'HandlerOptions',
  'MetadataResponse',
  'NodeHandler',
  'NodeRequest',
  'NodeResponse',
  'ProtectedHandler',
  'RequiredHeaders',
  'Scopes',
  'UpgradeSocket',
  'UserObject',
  'VerifierExplanation',
  'WebSocketHandshake',
]

const PRESETS = ['auth0', 'cognito', 'entra', 'google', 'keycloak', 'okta']

const PRESET_TYPES = [
  'Auth0Options',
  'CognitoOptions',
  'EntraOptions',
  'GoogleOptions',
  'KeycloakOptions',
  'OktaOptions',
  'PresetOptions',
]

/** The names of `export { … }` and `export type { … }`, and those of them that are types. */
function reexported(code: string): { all: string[]; types: string[] } {
  const all: string[] = []
  const types: string[] = []
  for (const [, isType, list = ''] of code.matchAll(/export (type )?\{([^}]*)\} from/g))
    for (const item of list.split(',').map((part) => part.trim())) {
      if (item === '') continue
      const name = item.replace(/^type /, '')
      all.push(name)
      if (isType !== undefined || item !== name) types.push(name)
    }
  return { all: all.sort(), types: types.sort() }
}

describe('the public surface', () => {
  it('of the core is what is listed here', () => {
    expect(Object.keys(core).sort()).toEqual(CORE)
  })

  it('of the core has the types that are listed here', () => {
    const code = sourcesOf('core').find(({ path }) => path === 'index.ts')?.code ?? ''
    const { all, types } = reexported(code)
    expect(types).toEqual(CORE_TYPES)
    expect(all).toEqual([...CORE, ...CORE_TYPES].sort())
  })

  it.each(['index.ts', 'presets/index.ts', 'node.ts'])(
    'of the core is explicit: %s re-exports by name, and does nothing else',
    (index) => {
      const code = sourcesOf('core').find(({ path }) => path === index)?.code
      expect(code?.replaceAll(/export (?:type )?\{[^}]*\} from '[^']+'/g, '').trim()).toBe('')
    },
  )

  it('for authors of adapters is what is listed here', () => {
    const code = sourcesOf('core').find(({ path }) => path === 'adapter.ts')?.code ?? ''
    expect(Object.keys(adapter).sort()).toEqual(ADAPTER_AUTHORS)
    expect(reexported(code).types.sort()).toEqual(ADAPTER_AUTHORS_TYPES)
  })

  it('of the presets is what is listed here', () => {
    const code = sourcesOf('core').find(({ path }) => path === 'presets/index.ts')?.code ?? ''
    expect(Object.keys(presets).sort()).toEqual(PRESETS)
    expect(reexported(code).types).toEqual(PRESET_TYPES)
    expect(reexported(code).all).toEqual([...PRESETS, ...PRESET_TYPES].sort())
  })

  it('of lambda is what is listed here', () => {
    expect(Object.keys(lambda).sort()).toEqual(['fromLambdaEvent', 'lambda', 'lambdaAuthorizer'])
  })

  it('of node is what is listed here', () => {
    expect(Object.keys(node)).toEqual(['publicFetch'])
  })

  it('of both adapters is the same', () => {
    expect(Object.keys(express).sort()).toEqual(ADAPTER)
    expect(Object.keys(koa).sort()).toEqual(ADAPTER)
  })

  it('of both adapters has the same types', () => {
    const types = (name: 'express' | 'koa') =>
      [...(sourcesOf(name)[0]?.code ?? '').matchAll(/^export (?:interface|type) (\w+)/gm)].map(
        ([, type]) => type,
      )
    expect(types('express')).toEqual(['Bearer'])
    expect(types('koa')).toEqual(types('express'))
  })
})
