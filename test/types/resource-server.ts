/** Types of the complete resource server: who may be nobody, claims of a schema, and calls that must not compile. */

import {
  acr,
  allOf,
  anyOf,
  chain,
  claim,
  createGate,
  type Gate,
  type Identity,
  introspection,
  jwt,
  maxAge,
  multiIssuerJwt,
  opaque,
  privateKeyJwt,
  type RequestLike,
  role,
  scope,
  staticTokens,
  type TokenVerifier,
} from '@bearergate/core'
import * as express from '@bearergate/express'
import * as koa from '@bearergate/koa'
import type { Request } from 'express'
import type { Context } from 'koa'
import * as v from 'valibot'
import { z } from 'zod'
import { expectType } from './assertions.ts'

interface User {
  readonly id: number
}
declare const request: Request
declare const context: Context
declare const isOptional: boolean
const issuer = { issuer: 'https://id.example.com', audience: 'https://api.example.com' }
const users = opaque<User>({ lookup: () => ({ claims: { id: 1 } }) })

// Who may be nobody.
expectType<Gate<Identity<User>>>()(createGate({ verifier: users, optional: false }))
expectType<Gate<Identity<User> | undefined>>()(createGate({ verifier: users, optional: true }))
expectType<Gate<Identity<User>>>()(createGate({ verifier: users, allowPreflight: { methods: ['GET'] } }))
expectType<Gate<Identity<User> | undefined>>()(createGate({ verifier: users, optional: isOptional }))
expectType<Gate<Identity | undefined>>()(createGate({ ...issuer, optional: true }))
expectType<Gate>()(createGate({ ...issuer }))
expectType<Identity<User> | undefined>()(
  express.bearer({ verifier: users, optional: true }).identity(request),
)
expectType<Identity<User>>()(express.bearer({ verifier: users }).identity(request))
expectType<Identity<User> | undefined>()(koa.bearer({ verifier: users, optional: true }).identity(context))
expectType<Identity>()(koa.bearer({ ...issuer, allowPreflight: () => {} }).identity(context))
createGate({ verifier: users, optional: true }).protect((_request, identity) => {
  expectType<Identity<User> | undefined>()(identity)
  return Response.json(identity?.claims.id)
})
createGate({
  verifier: users,
  optional: true,
  onDecision({ decision }) {
    if (decision.ok) expectType<Identity<User> | undefined>()(decision.identity)
  },
  isRevoked(identity) {
    expectType<Identity<User>>()(identity)
    return false
  },
})

// Claims of a schema, from the options to the handler.
const withZod = { ...issuer, claims: z.object({ tenant: z.string(), level: z.coerce.number() }) }
const withValibot = { ...issuer, claims: v.object({ tenant: v.string() }) }
interface Claims {
  tenant: string
  level: number
}
expectType<Claims>()(express.bearer(withZod).identity(request).claims)
expectType<Claims>()(koa.bearer(withZod).identity(context).claims)
expectType<{ tenant: string }>()(express.bearer(withValibot).identity(request).claims)
expectType<Claims | undefined>()(express.bearer({ ...withZod, optional: true }).identity(request)?.claims)
expectType<TokenVerifier<Identity<Claims>>>()(jwt(withZod))
expectType<TokenVerifier<Identity<Claims>>>()(multiIssuerJwt([withZod]))
expectType<TokenVerifier<Identity<Claims | { tenant: string }>>>()(multiIssuerJwt([withZod, withValibot]))
expectType<TokenVerifier<Identity>>()(multiIssuerJwt([issuer]))
createGate(withZod).protect((_request, identity) => {
  expectType<Claims>()(identity.claims)
  return new Response()
})
const client = { clientId: 'api', clientSecret: 'secret' }
expectType<TokenVerifier<Identity<Claims>>>()(introspection({ ...withZod, ...client }))
// @ts-expect-error
createGate({ ...issuer, claims: { tenant: 'string' } })

// A chain knows all of its identities.
const both = chain(jwt(withZod), users, staticTokens([{ token: 'a' }]))
expectType<TokenVerifier<Identity<Claims> | Identity<User> | Identity>>()(both)
// @ts-expect-error
chain()
// @ts-expect-error
chain('jwt')

// The audience: it is given, or it is the resource.
createGate({ issuer: 'https://id.example.com', resource: 'https://api.example.com' })
// @ts-expect-error
createGate({ issuer: 'https://id.example.com' })
// @ts-expect-error
createGate({ ...issuer, resource: { authorization_servers: ['https://id.example.com'] } })
// @ts-expect-error
createGate({ ...issuer, resource: { resource: 'https://api.example.com', scopes: ['a'] } })
createGate({ ...issuer, resource: { resource: 'https://api.example.com', 'resource_name#fr': 'Boîte' } })
// @ts-expect-error
createGate({ ...issuer, unless: '/public' })
// @ts-expect-error
createGate({ ...issuer, tokenFrom: { body: true } })

// Requirements.
allOf(scope('a'), anyOf(role('b'), claim('plan', 'pro', 3, true)), acr('gold'), maxAge(5), () => true)
allOf((identity: Identity<User>) => identity.claims.id > 0)
createGate({ verifier: users, requirement: ({ claims }) => claims.id > 0 })
createGate({ verifier: users }).authorize({} as Identity<User>, ({ claims }) => claims.id > 0)
// @ts-expect-error
createGate({ verifier: users, requirement: ({ claims }) => claims.id })
createGate({ verifier: users, requirement: async () => true })
createGate({
  verifier: users,
  requirement: allOf(scope('a'), (identity, request) => {
    expectType<Identity<unknown>>()(identity)
    expectType<RequestLike>()(request)
    return true
  }),
})
// @ts-expect-error
createGate({ verifier: users, requirement: async () => 'yes' })
// @ts-expect-error
createGate({ verifier: users, requirement: (_identity: Identity<User>, request: Request) => request.ok })
// @ts-expect-error
scope()
// @ts-expect-error
scope('a', 'b')
// @ts-expect-error
scope(['a'])
// @ts-expect-error
role('a', 'b')
// @ts-expect-error
claim('plan')
// @ts-expect-error
claim('plan', {})
// @ts-expect-error
acr()
// @ts-expect-error
maxAge('5')
// @ts-expect-error
maxAge(5, 6)
// @ts-expect-error
allOf()
allOf(
  [scope('a')],
  scope('b'),
  ['c', 'd'].map((name) => scope(name)),
)
anyOf([scope('a')])
// @ts-expect-error
express.requireScope()
// @ts-expect-error
koa.authorize()

// Introspection: an endpoint or an issuer; a secret or a function.
const endpoint = 'https://id.example.com/introspect'
introspection({ endpoint, ...client, audience: null })
introspection({
  endpoint,
  authenticate: privateKeyJwt({ clientId: 'api', privateKey: { kty: 'EC' } }),
  audience: null,
})
// @ts-expect-error
introspection({ ...client, audience: null })
// @ts-expect-error
introspection({ endpoint, ...client })
// @ts-expect-error
introspection({ endpoint, audience: null })
// @ts-expect-error
introspection({ endpoint, ...client, authenticate: () => {}, audience: null })
// @ts-expect-error
multiIssuerJwt([{ ...issuer, cache: false }])
// @ts-expect-error
staticTokens([{ subject: 'a' }])
// @ts-expect-error
staticTokens([{ token: 'a', hash: 'b' }])
// @ts-expect-error
createGate({ verifier: users }).revoke({ subject: 'a', tokenId: 'b', jti: 'c' })
