/** The gate: the way of a request from the view to the decision. */

import { inspect } from 'node:util'
import {
  allOf,
  createGate,
  type DecisionEvent,
  type Identity,
  jwt,
  type RequestLike,
  scope,
  type TokenVerifier,
} from '@bearergate/core'
import { toGate } from '@bearergate/core/adapter'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { identity } from '../../support/identity.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../support/issuer.ts'

const request = (authorization?: string) =>
  new Request('https://api.example.com', authorization === undefined ? {} : { headers: { authorization } })
const verifier: TokenVerifier = {
  verify: (token) =>
    token === 'good' ? { active: true, identity } : { active: false, reason: 'unknown_token' },
}

let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})

describe('authenticate', () => {
  it('returns the decision at once, without a promise, if the verifier does', () => {
    const gate = createGate({ verifier })
    expect(gate.authenticate(request('Bearer good'))).toMatchObject({ ok: true, identity })
    expect(gate.authenticate(request('Bearer bad'))).toMatchObject({
      ok: false,
      status: 401,
      reason: 'unknown_token',
    })
  })

  it('accepts a fetch Request and a RequestLike', () => {
    const view: RequestLike = { header: (name) => (name === 'authorization' ? 'Bearer good' : undefined) }
    expect(createGate({ verifier }).authenticate(view)).toMatchObject({ ok: true })
  })

  it('rejects several Authorization lines in the Headers of a Request (B07)', () => {
    const headers = new Headers([
      ['authorization', 'Bearer good'],
      ['authorization', 'Bearer good'],
    ])
    expect(createGate({ verifier }).authenticate(new Request('https://a', { headers }))).toMatchObject({
      ok: false,
      status: 400,
    })
  })

  it('reads Authorization and no other field by default (B17)', () => {
    const read: string[] = []
    const view: RequestLike = {
      header(name) {
        read.push(name)
        return name === 'authorization' ? 'Bearer good' : 'evil.example.com'
      },
    }
    expect(createGate({ verifier }).authenticate(view)).toMatchObject({ ok: true })
    expect(read).toEqual(['authorization'])
  })

  it('calls the verifier only for texts that may be a token (G11)', () => {
    const verify = vi.fn(verifier.verify)
    const gate = createGate({ verifier: { verify } })
    for (const value of [
      'Bearer',
      'Bearer a b',
      'Basic good',
      `Bearer ${'a'.repeat(8193)}`,
      'Bearer {"$ne":null}',
    ])
      gate.authenticate(request(value))
    gate.authenticate({ header: () => ({ toString: () => 'Bearer good' }) as never })
    expect(verify).not.toHaveBeenCalled()
  })

  it('returns a decision for a value that is no request, or throws when it is read (BI02)', () => {
    const gate = createGate({ verifier })
    const throwing = {
      header: () => {
        throw new Error('no')
      },
    }
    for (const odd of [
      undefined,
      null,
      7,
      'Bearer good',
      {},
      [],
      throwing,
      new Proxy(
        {},
        {
          has: () => {
            throw new Error('no')
          },
        },
      ),
    ])
      expect(gate.authenticate(odd as never)).toMatchObject({ ok: false, status: 503 })
  })

  it('requires what every request needs', () => {
    const gate = createGate({ verifier, requirement: allOf(scope('read'), scope('admin')) })
    const decision = gate.authenticate(request('Bearer good'))
    expect(decision).toMatchObject({ ok: false, status: 403, reason: 'insufficient_scope' })
    expect(
      createGate({ verifier, requirement: scope('read') }).authenticate(request('Bearer good')),
    ).toMatchObject({ ok: true })
  })

  it('compares scopes exactly: a part, a prefix or another case does not count', () => {
    const gate = createGate({ verifier })
    for (const name of ['rea', 'READ', 'read:all', 'ad'])
      expect(gate.authorize(identity, scope(name))).toMatchObject({ ok: false })
    expect(gate.authorize(identity, scope('read'))).toMatchObject({ ok: true })
  })

  it('answers 503 if a requirement of the application throws', () => {
    const requirement = () => {
      throw new Error('no')
    }
    expect(createGate({ verifier, requirement }).authenticate(request('Bearer good'))).toMatchObject({
      ok: false,
      status: 503,
    })
    expect(createGate({ verifier }).authorize(identity, requirement)).toMatchObject({
      ok: false,
      status: 503,
    })
  })
})

describe('onDecision', () => {
  it('onDecision receives every decision, with the detail for operators', async () => {
    const events: DecisionEvent[] = []
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk] },
      now: () => NOW * 1000,
      onDecision: (event) => events.push(event),
    })
    await gate.authenticate(request())
    await gate.authenticate(request(`Bearer ${await key.sign({ exp: 'never' })}`))
    const decision = await gate.authenticate(request(`Bearer ${await key.sign()}`))
    expect(events.map(({ decision, detail }) => [decision.ok ? 'ok' : decision.reason, detail])).toEqual([
      ['no_credentials', undefined],
      ['invalid_claim', 'exp must be a NumericDate, in seconds since the epoch, but is a string'],
      ['ok', undefined],
    ])
    expect(events[2]?.decision).toBe(decision)
  })

  it('onDecision receives each decision once, with its stage, also for requirements that are met', () => {
    const told: unknown[] = []
    const gate = createGate({
      verifier,
      onDecision: ({ stage, decision }) => told.push([stage, decision.ok ? 'ok' : decision.status]),
    })
    const decision = gate.authenticate(request('Bearer good'))
    expect(told.splice(0)).toEqual([['authenticate', 'ok']])
    if (decision instanceof Promise || !decision.ok) throw new Error('The token is not accepted')
    gate.authorize(decision.identity, () => true)
    gate.authorize(decision.identity, scope('admin'))
    gate.authorize(decision.identity, () => {
      throw new Error('no')
    })
    expect(told.splice(0)).toEqual([
      ['authorize', 'ok'],
      ['authorize', 403],
      ['authorize', 503],
    ])
    gate.authenticate(request('Bearer bad'))
    expect(told).toEqual([['authenticate', 401]])
  })

  it('cannot change a decision by throwing', () => {
    const gate = createGate({
      verifier,
      onDecision: () => {
        throw new Error('no')
      },
    })
    expect(gate.authenticate(request('Bearer good'))).toMatchObject({ ok: true })
    expect(gate.authenticate(request('Bearer bad'))).toMatchObject({ ok: false, status: 401 })
  })

  it('onDecision never receives a token, or a part of one (M05)', async () => {
    const events: DecisionEvent[] = []
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk] },
      now: () => NOW * 1000,
      onDecision: (event) => events.push(event),
    })
    const tokens = [
      await key.sign(),
      await key.sign({ exp: 1 }),
      await key.sign({ iss: 'x' }),
      `${await key.sign()}A`,
      await key.sign({}, { kid: 'another-key' }),
      'canary.canary.canary',
      'canary',
    ]
    for (const token of tokens) await gate.authenticate(request(`Bearer ${token}`))
    expect(events).toHaveLength(tokens.length)
    const told = inspect(events, { depth: 10 }) + JSON.stringify(events)
    for (const token of tokens) for (const part of token.split('.')) expect(told).not.toContain(part)
  })
})

describe('protect', () => {
  const gate = createGate({ verifier })

  it('protect() calls the handler with the identity, and with the arguments of the runtime', async () => {
    const handler = gate.protect((_request, { subject }, environment: { name: string }) =>
      Response.json({ subject, name: environment.name }),
    )
    expect(await (await handler(request('Bearer good'), { name: 'test' })).json()).toEqual({
      subject: 'emma',
      name: 'test',
    })
  })

  it('protect() answers a request that is not allowed, without calling the handler', async () => {
    const handler = vi.fn(() => new Response())
    const response = await gate.protect(handler)(request('Bearer bad'))
    expect([response.status, response.headers.get('www-authenticate'), await response.json()]).toEqual([
      401,
      'Bearer realm="api", error="invalid_token", error_description="The access token is not valid"',
      { error: 'invalid_token', error_description: 'The access token is not valid' },
    ])
    expect(handler).not.toHaveBeenCalled()
  })

  it('leaves the errors of the handler to whom they concern', async () => {
    const handler = gate.protect(() => {
      throw new Error('mine')
    })
    await expect(handler(request('Bearer good'))).rejects.toThrow('mine')
  })

  it('protect() returns an error response of the handler unchanged, for a token in any place', async () => {
    const gate = createGate({ verifier, tokenFrom: { query: true } })
    const response = await gate.protect(() => Response.error())(new Request('https://a/?access_token=good'))
    expect(response.type).toBe('error')
  })

  it('throws at creation without a handler', () => {
    expect(() => gate.protect(undefined as never)).toThrow(/"handler"/)
  })
})

describe('a gate', () => {
  it('the methods of a gate work without the gate as their receiver', async () => {
    const { authenticate, authorize, protect, metadata, revoke, ready, close, describe } = createGate({
      verifier,
      resource: 'https://api.example.com',
    })
    expect(authenticate(request('Bearer bad'))).toMatchObject({ status: 401 })
    expect(authorize({ subject: 'emma' } as Identity, () => true)).toMatchObject({ ok: true })
    const response = await protect(() => new Response('ok'))(new Request('https://api.example.com/'))
    expect(response.status).toBe(401)
    expect(metadata(new Request('https://api.example.com/'))).toBeUndefined()
    await revoke({ subject: 'emma' })
    await ready()
    close()
    expect(describe()).toMatchObject({ revocations: 1 })
  })
})

describe('toGate', () => {
  it('toGate() does not accept options with a function called authenticate as a gate (BI20)', () => {
    const options = { issuer: ISSUER, audience: AUDIENCE, authenticate: () => {} }
    expect(() => toGate(options)).toThrow('"createGate" has no option "authenticate"')
    const gate = createGate({ verifier })
    expect(toGate(gate)).toBe(gate)
  })
})

describe('createGate', () => {
  it.each([
    ['createGate', undefined],
    ['createGate', null],
    ['createGate', []],
    ['issuer', {}],
    ['audience', { issuer: ISSUER }],
    ['verifier', { verifier: {} }],
    ['verifier', { verifier: null }],
    ['issuer', { verifier, issuer: ISSUER }],
    ['cache', { verifier, cache: false }],
    ['realm', { verifier, realm: '' }],
    ['realm', { verifier, realm: 7 }],
    ['requirement', { verifier, requirement: 'read' }],
    ['requirement', { verifier, requirement: null }],
    ['onDecision', { verifier, onDecision: 'log' }],
    ['onDenied', { verifier, onDenied: 'throw' }],
    ['realmm', { verifier, realmm: 'a' }],
  ])('names "%s" in a TypeError for impossible options', (name, options) => {
    expect(() => createGate(options as never)).toThrow(TypeError)
    expect(() => createGate(options as never)).toThrow(`"${name}"`)
  })

  it('reads its options once', () => {
    const options = { verifier, realm: 'one' }
    const gate = createGate(options)
    options.realm = 'two'
    options.verifier = { verify: () => ({ active: true, identity }) }
    expect(gate.authenticate(request())).toMatchObject({
      headers: { 'WWW-Authenticate': 'Bearer realm="one"' },
    })
    expect(gate.authenticate(request('Bearer bad'))).toMatchObject({ ok: false })
  })

  it('reads no option from Object.prototype', () => {
    const prototype = Object.prototype as Record<string, unknown>
    prototype.audience = AUDIENCE
    try {
      expect(() => createGate({ issuer: ISSUER } as never)).toThrow(/"audience"/)
    } finally {
      delete prototype.audience
    }
  })
})

describe('requirements', () => {
  it('invalid requirements throw a TypeError at creation', () => {
    for (const name of ['', 'a b', 'a"b', 'a\\b', 'é', undefined, 7, ['a']])
      expect(() => scope(name as string)).toThrow(/"scope"/)
    expect(() => (allOf as () => unknown)()).toThrow(/"allOf"/)
    expect(() => (allOf as (...list: unknown[]) => unknown)('read')).toThrow(/"allOf"/)
  })
})

/** The least that can be awaited: it gives nothing back. */
function later(value: unknown): unknown {
  // biome-ignore lint/suspicious/noThenProperty: this is what a thenable is
  return { then: (resolve: (value: unknown) => void) => void setImmediate(resolve, value) }
}

describe('a verifier of the application', () => {
  const outcome = (given: unknown, options: object = {}) => {
    const causes: unknown[] = []
    const gate = createGate({
      verifier: { verify: () => given } as unknown as TokenVerifier,
      onDecision: ({ cause }) => causes.push(cause),
      now: () => NOW * 1000,
      ...options,
    })
    const decision = gate.authenticate(request('Bearer a'))
    if (decision instanceof Promise) throw new Error('pending')
    return decision.ok ? 'ok' : `${decision.reason} ${causes.map(String).join()}`
  }

  it.each<[string, unknown]>([
    ['gives true', true],
    ['gives no boolean', 'yes'],
  ])(
    'denies the request if isRevoked returns a thenable that settles later and %s (FX56)',
    async (_, answer) => {
      const isRevoked = () => later(answer)
      const gate = createGate({ verifier, isRevoked: isRevoked as never })
      expect(await gate.authenticate(request('Bearer good'))).toMatchObject({ ok: false })
    },
  )

  it.each<[string, unknown, string]>([
    ['a good result', { active: true, identity }, 'ok'],
    ['nonsense', { active: 'yes' }, 'unavailable'],
    ['nothing', undefined, 'unavailable'],
  ])('awaits a thenable of verify that settles later with %s (FX56)', async (_, result, expected) => {
    const verify = () => later(result)
    const decision = await createGate({ verifier: { verify: verify as never } }).authenticate(
      request('Bearer good'),
    )
    expect(decision.ok ? 'ok' : decision.reason).toBe(expected)
  })

  it('is not accepted after the expiresAt of its identity, if the result has none', () => {
    const expired = { active: true, identity: { ...identity, expiresAt: 1000 } } as const
    expect(
      createGate({ verifier: { verify: () => expired } }).authenticate(request('Bearer good')),
    ).toMatchObject({
      reason: 'expired',
    })
  })

  it('is not accepted after the expiresAt of its result', () => {
    expect(outcome({ active: true, identity, expiresAt: NOW + 1 })).toBe('ok')
    expect(outcome({ active: true, identity, expiresAt: NOW })).toMatch('expired')
    expect(outcome({ active: true, identity, expiresAt: 5 })).toMatch('expired')
  })

  it.each([
    ['nothing', undefined, 'no verification'],
    ['null', null, 'no verification'],
    ['a list', [], 'no verification'],
    ['an active that is true-ish', { active: 1, identity }, '"active"'],
    ['no identity', { active: true }, 'no identity'],
    ['no reason', { active: false }, '"reason"'],
    ['a reason that nobody knows', { active: false, reason: 'nope' }, '"reason"'],
    ['a date in milliseconds', { active: true, identity, expiresAt: NOW * 1000 }, '"expiresAt"'],
    ['a date of text', { active: true, identity, expiresAt: '2030-01-01' }, '"expiresAt"'],
    ['scopes in one string', { active: true, identity: { ...identity, scopes: 'read-all' } }, '"scopes"'],
    ['no roles', { active: true, identity: { ...identity, roles: undefined } }, '"roles"'],
    ['an unknown kind', { active: true, identity: { ...identity, kind: 'session' } }, '"kind"'],
    ['a subject that is a number', { active: true, identity: { ...identity, subject: 7 } }, '"subject"'],
    ['an actor that is a list', { active: true, identity: { ...identity, actor: [] } }, '"actor"'],
  ])('answers 503 if it returns %s, and onDecision receives the cause', (_, given, told) => {
    expect(outcome(given)).toMatch(
      new RegExp(`^unavailable UnavailableError: The verifier returned .*${told}`),
    )
  })

  it('accepts a result that is an instance with inherited members (FX56)', () => {
    class Result {
      readonly #active: boolean
      readonly reason = 'unknown_token'
      constructor(active: boolean) {
        this.#active = active
      }
      get active() {
        return this.#active
      }
      get identity() {
        return identity
      }
    }
    expect(outcome(new Result(true))).toBe('ok')
    expect(outcome(new Result(false))).toMatch(/^unknown_token/)
  })

  it('that keeps what jwt gave does not make a token last (D03)', async () => {
    let ahead = 0
    const now = () => (NOW + ahead) * 1000
    const kept = new Map<string, Awaited<ReturnType<TokenVerifier['verify']>>>()
    const verifying = jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk as never] }, now })
    const memo: TokenVerifier = {
      async verify(token) {
        const known = kept.get(token) ?? (await verifying.verify(token))
        kept.set(token, known)
        return known
      },
    }
    const gate = createGate({ verifier: memo, now })
    const good = `Bearer ${await key.sign({ exp: NOW + 60 })}`
    expect(await gate.authenticate(request(good))).toMatchObject({ ok: true })
    ahead = 89
    expect(await gate.authenticate(request(good))).toMatchObject({ ok: true })
    ahead = 90
    expect(await gate.authenticate(request(good))).toMatchObject({ ok: false, reason: 'expired' })
  })

  it("sends each challenge of an application's rule unchanged, even if the reason is the same (J06)", () => {
    const gate = createGate({
      verifier: {
        verify: (token) => ({
          active: false,
          reason: 'insufficient_user_authentication',
          acrValues: [token],
          maxAge: 60,
        }),
      },
    })
    for (const token of ['a', 'b'])
      expect(gate.authenticate(request(`Bearer ${token}`))).toMatchObject({
        headers: { 'WWW-Authenticate': expect.stringContaining(`acr_values="${token}", max_age="60"`) },
      })
  })

  it('returns decisions and identities that are deeply frozen, with and without a user', () => {
    const verifier = { verify: () => ({ active: true, identity: { ...identity } }) as const }
    for (const loaded of [{}, { loadUser: () => ({ name: 'Emma' }) }]) {
      const decision = createGate({ verifier, ...loaded }).authenticate(request('Bearer a'))
      if (decision instanceof Promise || !decision.ok) throw new Error('refused')
      expect(Object.isFrozen(decision)).toBe(true)
      expect(Object.isFrozen(decision.identity)).toBe(true)
      expect(Object.isFrozen(decision.identity.scopes)).toBe(true)
    }
  })

  it('answers 503 if a rule of the application returns neither a rejection nor undefined (FX56)', () => {
    const rule = { ...scope('read'), check: () => false }
    expect(outcome({ active: true, identity }, { requirement: rule })).toMatch(/^unavailable/)
  })
})
