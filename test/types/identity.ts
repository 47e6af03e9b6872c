/** What becomes of the type of an identity on its way to a handler: never `any`, and never lost. */

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import {
  allOf,
  anyOf,
  type BearerAuthError,
  createGate,
  type Decision,
  type Denied,
  type Gate,
  generateToken,
  hashToken,
  type Identity,
  opaque,
  type Preflight,
  type Reason,
  role,
  scope,
  type TokenVerifier,
  type UnavailableError,
} from '@bearergate/core'
import type { NodeHandler } from '@bearergate/core/adapter'
import * as express from '@bearergate/express'
import * as koa from '@bearergate/koa'
import createExpress, { type Request as ExpressRequest, type RequestHandler, Router } from 'express'
import Koa from 'koa'
import { assert, type Equal, expectType, type IsAny } from './assertions.ts'

interface User {
  readonly id: number
  readonly name: string
}

type UserIdentity = Identity<User>

const verifier = opaque<User>({ lookup: () => ({ subject: '1', claims: { id: 1, name: 'Emma' } }) })
expectType<TokenVerifier<UserIdentity>>()(verifier)

// @ts-expect-error
opaque<User>({ lookup: () => ({ subject: '1', claims: { id: '1', name: 'Emma' } }) })

// The core.
const gate = createGate({ verifier })
expectType<Gate<UserIdentity>>()(gate)
expectType<Decision<UserIdentity> | Promise<Decision<UserIdentity>>>()(
  gate.authenticate(new Request('https://api.example.com/')),
)

const decision = await gate.authenticate(new Request('https://api.example.com/'))
if (decision.ok) {
  expectType<UserIdentity>()(decision.identity)
  expectType<User>()(decision.identity.claims)
} else {
  expectType<Preflight | Denied>()(decision)
  expectType<204 | 400 | 401 | 403 | 503>()(decision.status)
  expectType<Reason | 'unavailable' | 'preflight'>()(decision.reason)
  expectType<Response>()(decision.toResponse())
  // @ts-expect-error
  decision.identity
}
// @ts-expect-error
decision.identity

const handler = gate.protect((request, identity, environment: { readonly KEY: string }, count: number) => {
  expectType<Request>()(request)
  expectType<UserIdentity>()(identity)
  expectType<string>()(environment.KEY)
  return Response.json({ name: identity.claims.name, count })
})
expectType<(request: Request, environment: { readonly KEY: string }, count: number) => Promise<Response>>()(
  handler,
)
expectType<string>()(gate.tokenOf(new Request('https://api.example.com/')))
const plainHandler = gate.protect((_request, _identity) => new Response())
expectType<(request: Request) => Promise<Response>>()(plainHandler)
// @ts-expect-error
gate.protect(() => 'hello')

createGate({
  verifier,
  onDecision: (event) => {
    expectType<Decision<UserIdentity>>()(event.decision)
    expectType<unknown>()(event.cause)
  },
})

// Express.
const guard = express.bearer({ verifier })
expectType<Gate<UserIdentity>>()(guard.gate)
const guardByGate = express.bearer(gate)
expectType<express.Bearer<UserIdentity>>()(guardByGate)
const app = createExpress()
app.use('/api', guard)
app.get('/api/:id', express.requireScope('read', 'write'), (request, response) => {
  expectType<UserIdentity>()(guard.identity(request))
  expectType<Identity<unknown> | undefined>()(request.identity)
  expectType<string>()(guard.token(request))
  response.json({ name: guard.identity(request).claims.name, id: request.params.id })
})
Router()
  .use(guard)
  .post('/:id', guard, (request: ExpressRequest<{ id: string }>, response) => {
    response.json(guard.identity(request).claims.id)
  })
// @ts-expect-error
app.get('/', (request) => request.identity.subject)
// @ts-expect-error
express.requireScope()
express.requireScope(['read', 'write'])
// @ts-expect-error
express.authorize('read')
// @ts-expect-error
express.authorize()
// @ts-expect-error
express.bearer()
// @ts-expect-error
express.bearer({ issuer: 'https://id.example.com' })
// @ts-expect-error
express.bearer({ issuer: 'https://id.example.com', audience: undefined })
// @ts-expect-error
express.bearer({ verifier, audience: 'https://api.example.com' })
// @ts-expect-error
express.bearer({ verifier, jwksUri: 'https://id.example.com/jwks' })

const plain = express.bearer({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
expectType<express.Bearer>()(plain)
app.get('/plain', (request) => {
  expectType<Identity>()(plain.identity(request))
  expectType<unknown>()(plain.identity(request).claims.email)
})

// Koa.
const koaGuard = koa.bearer({ verifier })
expectType<Gate<UserIdentity>>()(koaGuard.gate)
const koaGuardByGate = koa.bearer(gate)
expectType<koa.Bearer<UserIdentity>>()(koaGuardByGate)
const server = new Koa()
server.use(koaGuard)
server.use(koa.requireScope('read', 'write'))
server.use((context) => {
  expectType<UserIdentity>()(koaGuard.identity(context))
  expectType<Identity<unknown> | undefined>()(context.state.identity)
  expectType<string>()(koaGuard.token(context))
  context.body = koaGuard.identity(context).claims.name
})
const stateful = new Koa<{ readonly tenant: string }, { readonly started: Date }>()
stateful.use(koaGuard)
stateful.use(koa.requireScope('read'))
stateful.use((context) => {
  expectType<UserIdentity>()(koaGuard.identity(context))
  expectType<string>()(context.state.tenant)
  expectType<Date>()(context.started)
})
// @ts-expect-error
koa.requireScope()
koa.requireScope(['read', 'write'])
// @ts-expect-error
koa.authorize('read')
// @ts-expect-error
koa.bearer()
// @ts-expect-error
koa.bearer({ issuer: 'https://id.example.com' })
// @ts-expect-error
koa.bearer({ issuer: 'https://id.example.com', audience: undefined })
// @ts-expect-error
koa.bearer({ verifier, audience: 'https://api.example.com' })
// @ts-expect-error
koa.bearer({ verifier, jwksUri: 'https://id.example.com/jwks' })

const koaPlain = koa.bearer({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
expectType<koa.Bearer>()(koaPlain)
server.use((context) => {
  expectType<Identity>()(koaPlain.identity(context))
})

// A requirement gets the request of its host, and an asynchronous one makes the decision a promise.
guard.authorize((identity, request) => {
  expectType<UserIdentity>()(identity)
  expectType<ExpressRequest>()(request)
  return identity.claims.name === request.params.name
})
guard.authorize(
  allOf(scope('a'), async (identity, request) => {
    expectType<UserIdentity>()(identity)
    expectType<ExpressRequest>()(request)
    return true
  }),
)
koaGuard.authorize(async (identity, context) => {
  expectType<UserIdentity>()(identity)
  expectType<Koa.Context>()(context)
  return context.path === '/'
})
koaGuard.authorize(anyOf(role('a'), (_identity, context) => context.path === '/'))
express.authorize((_identity, request) => request.path === '/')
koa.authorize((_identity, context) => context.path === '/')
gate.protect(() => new Response(), {
  requirement: allOf(scope('a'), (identity, request) => {
    expectType<UserIdentity>()(identity)
    expectType<Request>()(request)
    return true
  }),
})
// @ts-expect-error
gate.protect(() => new Response(), { require: scope('a') })
// @ts-expect-error
guard.authorize(() => 'yes')
// @ts-expect-error
guard.authorize((_identity: UserIdentity, context: Koa.Context) => context.path === '/')
declare const someone: UserIdentity
expectType<Decision<UserIdentity>>()(gate.authorize(someone, scope('a')))
expectType<Decision<UserIdentity>>()(gate.authorize(someone, ({ claims }) => claims.id === 1))
expectType<Decision<UserIdentity>>()(
  gate.authorize(
    someone,
    allOf(scope('a'), () => true),
  ),
)
const later = gate.authorize(someone, async (identity, request) => identity.claims.id === request, 1)
expectType<Decision<UserIdentity> | Promise<Decision<UserIdentity>>>()(later)
const combined = gate.authorize(
  someone,
  anyOf(scope('a'), async () => true),
)
expectType<Decision<UserIdentity> | Promise<Decision<UserIdentity>>>()(combined)

// The user of `loadUser` reaches handlers with its type.
interface Row {
  readonly email: string
}
declare const rows: { byId(id: string | undefined): Promise<Row | null> }
const loading = express.bearer({ verifier, loadUser: async ({ claims }) => rows.byId(String(claims.id)) })
expectType<express.Bearer<UserIdentity, Row>>()(loading)
app.get('/user', (request, response) => {
  expectType<Row>()(loading.user(request))
  response.json({ email: loading.user(request).email })
})
const loadingOptional = koa.bearer({
  issuer: 'https://id.example.com',
  audience: null,
  optional: true,
  loadUser: ({ subject }, request) => (request.method === 'GET' ? rows.byId(subject) : undefined),
})
expectType<Row | undefined>()(loadingOptional.user({} as Koa.Context))
expectType<Identity | undefined>()(loadingOptional.identity({} as Koa.Context))
const loadingGate = createGate({ verifier, loadUser: () => ({ email: 'emma@example.com' }) })
expectType<{ email: string }>()(loadingGate.userOf(new Request('https://api.example.com/')))
expectType<{ email: string }>()(express.bearer(loadingGate).user({} as ExpressRequest))
const anyGate: Gate<Identity<unknown> | undefined> = loadingGate
const returned: ReturnType<typeof createGate> = loadingGate
expectType<unknown>()(returned.userOf({}))
expectType<unknown>()(anyGate.userOf({}))
expectType<unknown>()(guard.user({} as ExpressRequest))
// @ts-expect-error
createGate({ verifier, loadUser: async () => 'emma' })
// @ts-expect-error
createGate({ verifier, loadUser: async () => false })
// @ts-expect-error
loading.user({} as ExpressRequest).name

// One gate serves all of them, and a gate of any identity is a gate.
const shared = createGate({ issuer: 'https://id.example.com', audience: null })
expectType<Identity>()(express.bearer(shared).identity({} as ExpressRequest))
expectType<Identity>()(koa.bearer(shared).identity({} as Koa.Context))
const verified: TokenVerifier<Identity<unknown>> = verifier
createGate({ verifier: verified })

// Nothing leaks `any`.
type Members<T> = { [Name in keyof T]-?: IsAny<T[Name]> }[keyof T]
assert<Equal<Members<Identity>, false>>()
assert<Equal<Members<Identity['claims']>, false>>()
assert<Equal<Members<Gate>, false>>()
assert<Equal<Members<Denied>, false>>()
assert<Equal<Members<BearerAuthError>, false>>()
assert<Equal<Members<Pick<UnavailableError, 'cause' | 'retryAfter' | 'message'>>, false>>()
assert<Equal<Members<express.Bearer>, false>>()
assert<Equal<Members<koa.Bearer>, false>>()
assert<Equal<ReturnType<typeof express.requireScope>, RequestHandler & NodeHandler>>()
assert<Equal<ReturnType<typeof plain.authorize>, RequestHandler & NodeHandler>>()
const listener: RequestListener = (request, response) => plain(request, response, () => response.end())
const expressHandler: RequestHandler = plain.requireScope('read')
expectType<RequestHandler>()(expressHandler)
expectType<RequestListener>()(listener)
plain.identity({} as IncomingMessage)
// @ts-expect-error
plain({} as IncomingMessage, {} as ServerResponse)
assert<Equal<ReturnType<typeof koa.requireScope>, Koa.Middleware>>()
expectType<string>()(generateToken('acme'))
expectType<Promise<string>>()(hashToken('acme'))
