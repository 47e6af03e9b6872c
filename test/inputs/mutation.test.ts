/** BI16: what a request, a handler or the application changes afterwards does not change the next result. */

import {
  type Active,
  type Allowed,
  allOf,
  BearerAuthError,
  cached,
  createGate,
  type Decision,
  type DecisionEvent,
  type Denied,
  fromNodeRequest,
  type Inactive,
  type JsonWebKeySet,
  type OpaqueToken,
  opaque,
  scope,
  type TokenVerifier,
} from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { claimsText, createForge } from '../support/forge.ts'
import { AUDIENCE, ISSUER, NOW } from '../support/issuer.ts'

const forge = createForge()
const other = createForge()
const now = () => NOW * 1000

/** Whatever was given away, as somebody sees it who does not care what is readonly. */
interface Loose extends Omit<unknown[], 'keys'> {
  readonly keys: Loose
  readonly grant: Loose
  readonly refusal: Loose
  readonly identity: Loose
  readonly scopes: Loose
  readonly claims: Loose
  readonly audience: Loose
  readonly roles: Loose
  readonly actor: Loose
  readonly a: Loose
  readonly b: Loose
  readonly headers: Loose
  readonly body: Loose
  readonly algorithms: Loose
  readonly requirement: Loose
  readonly cache: Loose
  readonly decision: Loose
  toResponse(): Response
}

const LOOKED_UP = 'looked-up'
const TOKENS = {
  good: forge.sign(claimsText({ act: '{"sub":"service"}', roles: '["staff"]', a: '{"b":[{"c":1}]}' })),
  'of too little scope': forge.sign(claimsText({ scope: '"write"' })),
  expired: forge.sign(claimsText({ exp: '1' })),
  'of another audience': forge.sign(claimsText({ aud: '"other"' })),
  'of a key of nobody': other.sign(claimsText()),
  'of another algorithm': forge.sign(claimsText(), '{"alg":"HS256","kid":"forge"}'),
}

function jwtScene() {
  const options = {
    issuer: ISSUER,
    audience: [AUDIENCE],
    keys: { keys: [{ ...forge.jwk }] } as JsonWebKeySet,
    algorithms: ['ES256'] as const,
    cache: { max: 10, ttl: 60 },
    requirement: allOf(scope('read')),
    realm: 'api',
    clockTolerance: 30,
    now,
  }
  return { options, gate: createGate(options), tokens: TOKENS as Readonly<Record<string, string>> }
}

function opaqueScene() {
  const found: OpaqueToken = {
    subject: 'emma',
    scopes: ['read'],
    audience: ['a'],
    roles: ['staff'],
    actor: { sub: 'service' },
    claims: { a: { b: [{ c: 1 }] } },
    expiresAt: NOW + 600,
  }
  const lookup = (token: string) => (token === LOOKED_UP ? found : null)
  const cache = { ttl: 60, negativeTtl: 60 }
  const options = { lookup, now, cache }
  const gate = createGate({ verifier: opaque(options), requirement: scope('read') })
  return {
    options,
    found,
    gate,
    tokens: { good: LOOKED_UP, unknown: 'unknown' } as Readonly<Record<string, string>>,
  }
}

interface Said {
  readonly grant: Allowed
  readonly refusal: Denied
}
type Jwt = ReturnType<typeof jwtScene>

/** Changes what a decision gave away. */
const OF_DECISIONS: Readonly<Record<string, (said: Loose) => unknown>> = {
  'a scope is added': ({ grant }) => grant.identity.scopes.push('admin'),
  'a scope is replaced': ({ grant }) => Object.assign(grant.identity.scopes, ['admin']),
  'the scopes are emptied': ({ grant }) => grant.identity.scopes.splice(0),
  'the scopes are sorted': ({ grant }) => grant.identity.scopes.reverse(),
  'the subject is replaced': ({ grant }) => Object.assign(grant.identity, { subject: 'root' }),
  'the subject is defined anew': ({ grant }) =>
    Object.defineProperty(grant.identity, 'subject', { value: 'root' }),
  'the prototype of the identity is replaced': ({ grant }) =>
    Object.setPrototypeOf(grant.identity, { confirmation: {} }),
  'a claim is replaced': ({ grant }) => Object.assign(grant.identity.claims, { sub: 'root', exp: 0 }),
  'a claim is deleted': ({ grant }) => Reflect.deleteProperty(grant.identity.claims, 'a'),
  'a claim deep down is replaced': ({ grant }) =>
    Object.assign(grant.identity.claims.a.b.at(0) as object, { c: 2 }),
  'a claim deep down is added': ({ grant }) => grant.identity.claims.a.b.push(2),
  'the audience is replaced': ({ grant }) => Object.assign(grant.identity.audience, ['other']),
  'a role is added': ({ grant }) => grant.identity.roles.push('admin'),
  'the actor is replaced': ({ grant }) => Object.assign(grant.identity.actor, { sub: 'root' }),
  'the expiry is moved': ({ grant }) => Object.assign(grant.identity, { expiresAt: 9e9 }),
  'a binding is added': ({ grant }) => Object.assign(grant.identity, { confirmation: { jkt: 'x' } }),
  'the identity of the decision is replaced': ({ grant }) => Object.assign(grant, { identity: {} }),
  'the decision is turned round': ({ grant }) => Object.assign(grant, { ok: false, status: 200 }),
  'the refusal is turned round': ({ refusal }) => Object.assign(refusal, { ok: true, identity: {} }),
  'the status is replaced': ({ refusal }) => Object.assign(refusal, { status: 200 }),
  'the reason is replaced': ({ refusal }) => Object.assign(refusal, { reason: 'revoked' }),
  'a header is replaced': ({ refusal }) => Object.assign(refusal.headers, { 'WWW-Authenticate': 'Basic' }),
  'a header is deleted': ({ refusal }) => Reflect.deleteProperty(refusal.headers, 'Cache-Control'),
  'the body is replaced': ({ refusal }) => Object.assign(refusal.body, { error: 'none' }),
  'a response is changed': ({ refusal }) => refusal.toResponse().headers.set('WWW-Authenticate', 'Basic'),
  'toResponse is replaced': ({ refusal }) => Object.assign(refusal, { toResponse: () => new Response() }),
  'an error made of it is changed': ({ refusal }) => {
    const error = new BearerAuthError(refusal as unknown as Denied)
    Object.assign(error, { status: 200 })
    Object.assign(error.headers, { 'WWW-Authenticate': 'Basic' })
  },
}

/** Changes what the application gave at creation. */
const OF_OPTIONS: Readonly<Record<string, (options: Loose) => unknown>> = {
  'the issuer is replaced': (options) => Object.assign(options, { issuer: 'https://evil' }),
  'the audience is replaced': (options) => Object.assign(options, { audience: ['other'] }),
  'an audience is added': (options) => options.audience.push('other'),
  'the audience is emptied': (options) => options.audience.splice(0),
  'an algorithm is added': (options) => options.algorithms.push('HS256', 'none'),
  'the key set is replaced': (options) => Object.assign(options, { keys: { keys: [other.jwk] } }),
  'a key is added': (options) => options.keys.keys.push(other.jwk),
  'the keys are emptied': (options) => options.keys.keys.splice(0),
  'a key is changed': (options) => Object.assign(options.keys.keys.at(0) as object, other.jwk),
  'the tolerance is replaced': (options) => Object.assign(options, { clockTolerance: 300 }),
  'the requirement is replaced': (options) => Object.assign(options, { requirement: undefined }),
  'the requirement is changed': (options) => Object.assign(options.requirement, { check: () => undefined }),
  'the scopes of the requirement are changed': (options) => options.requirement.scopes.push('admin'),
  'the realm is replaced': (options) => Object.assign(options, { realm: 'other' }),
  'the cache is changed': (options) => Object.assign(options.cache, { ttl: 1e9, max: 0 }),
  'the clock is replaced': (options) => Object.assign(options, { now: () => 0 }),
}

describe.each([
  ['JWTs', jwtScene],
  ['opaque tokens', opaqueScene],
] as const)('a decision on %s', (_name, makeScene) => {
  it.each(Object.entries(OF_DECISIONS))(
    'leaves the next request unchanged if %s (BI16)',
    async (_what, change) => {
      const { gate, tokens } = makeScene()
      const before = await decisions(gate, tokens)
      for (const name of Object.keys(tokens).filter((token) => token !== 'good')) {
        const said: Said = {
          grant: (await gate.authenticate(carrying(tokens.good))) as Allowed,
          refusal: (await gate.authenticate(carrying(tokens[name]))) as Denied,
        }
        attempt(() => change(said as unknown as Loose))
      }
      expect(await decisions(gate, tokens)).toEqual(before)
    },
  )
})

describe('the options', () => {
  it.each(Object.entries(OF_OPTIONS))(
    'reads options once: nothing changes if %s (BI16)',
    async (_what, change) => {
      const untouched = await decisions(jwtScene().gate, TOKENS)
      const changedFirst: Jwt = jwtScene()
      attempt(() => change(changedFirst.options as unknown as Loose))
      expect(await decisions(changedFirst.gate, TOKENS)).toEqual(untouched)
    },
  )

  it('opaque reads options once, and a cached result does not change with the object of the lookup (BI16)', async () => {
    const { gate, found, options, tokens } = opaqueScene()
    const before = await decisions(gate, tokens)
    const loose = found as unknown as Loose
    loose.scopes.push('admin')
    Object.assign(loose.claims.a.b.at(0) as object, { c: 2 })
    Object.assign(loose, { subject: 'root' })
    Object.assign(options, { lookup: () => found })
    Object.assign(options.cache, { ttl: 0.001 })
    expect(await decisions(gate, tokens)).toEqual(before)
  })

  it('leave no way into a gate (BI16)', () => {
    const { gate } = jwtScene()
    expect(() => Object.assign(gate, { authenticate: () => ({ ok: true }) })).toThrow(TypeError)
  })
})

describe('the request', () => {
  it('a request may change while its decision is pending (BI16)', async () => {
    const { gate } = jwtScene()
    const headers: Record<string, string> = { authorization: `Bearer ${TOKENS.expired}` }
    const decision = gate.authenticate(fromNodeRequest({ headers }))
    headers.authorization = `Bearer ${TOKENS.good}`
    expect(await decision).toMatchObject({ ok: false, reason: 'expired' })
  })
})

describe('a listener', () => {
  const change = (event: Loose) => {
    attempt(() =>
      Object.assign(event.decision, { ok: true, identity: { subject: 'root', scopes: ['admin'] } }),
    )
    attempt(() => Object.assign(event, { decision: { ok: true } }))
  }

  it.each(['good', 'expired'] as const)(
    'cannot change the decision on a token that is %s (BI16)',
    async (name) => {
      const { options, gate } = jwtScene()
      const told = createGate({
        ...options,
        onDecision: (event: DecisionEvent) => change(event as unknown as Loose),
      })
      const expected = JSON.stringify(await gate.authenticate(carrying(TOKENS[name])))
      expect(JSON.stringify(await told.authenticate(carrying(TOKENS[name])))).toBe(expected)
    },
  )
})

describe('a verification', () => {
  const identity = { kind: 'opaque', audience: [], scopes: ['read'], roles: [], claims: {} } as const
  const GIVEN: Readonly<Record<string, Active | Inactive>> = {
    good: { active: true, identity, expiresAt: NOW + 600 },
    bad: { active: false, reason: 'unknown_token' },
  }
  const evil = { active: true, identity: { ...identity, scopes: ['admin'] }, expiresAt: 9e9 }

  it.each(Object.keys(GIVEN))(
    'an object that a cache returned cannot be changed for later requests, if it is %s (BI16)',
    async (name) => {
      const verifier = kept(() => ({ ...(GIVEN[name] as Active) }))
      const before = JSON.stringify(await verifier.verify('token'))
      const given = await verifier.verify('token')
      attempt(() => Object.assign(given, evil))
      expect(JSON.stringify(await verifier.verify('token'))).toBe(before)
    },
  )

  it.each(Object.keys(GIVEN))(
    'an object that a verifier returned may be changed after it was cached, if it is %s (BI16)',
    async (name) => {
      const source = { ...(GIVEN[name] as Active) }
      const verifier = kept(() => source)
      const before = JSON.stringify(await verifier.verify('token'))
      Object.assign(source, evil)
      expect(JSON.stringify(await verifier.verify('token'))).toBe(before)
    },
  )

  function kept(verify: TokenVerifier['verify']): TokenVerifier {
    return cached({ verify }, { ttl: 60, negativeTtl: 60, now })
  }
})

it('has 20 changes at least (BI16)', () => {
  expect(Object.keys(OF_DECISIONS).length + Object.keys(OF_OPTIONS).length).toBeGreaterThanOrEqual(20)
})

/** What is frozen throws, which is as good as being ignored. */
function attempt(change: () => unknown): void {
  try {
    change()
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
  }
}

function carrying(token: string | undefined) {
  return fromNodeRequest({ headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })
}

/** Every decision, with its answer as a response. */
async function decisions(
  gate: { authenticate: Jwt['gate']['authenticate'] },
  tokens: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  const said: Record<string, unknown> = {}
  for (const [name, token] of [...Object.entries(tokens), ['none', undefined] as const]) {
    const decision: Decision = await gate.authenticate(carrying(token))
    const response = decision.ok ? undefined : decision.toResponse()
    const sent = response && [response.status, [...response.headers], await response.text()]
    said[name] = [JSON.stringify(decision), sent]
  }
  return said
}
