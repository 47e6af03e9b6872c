/** Claims by a schema of the user's: what it gives is the identity's, what it refuses is 401, what goes wrong in it is 503. */

import { createGate, type Identity, type JwtOptions, jwt, UnavailableError } from '@bearergate/core'
import * as v from 'valibot'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../../support/issuer.ts'

let key: TestKey

beforeAll(async () => {
  key = await createKey('ES256')
})

const SECRET = 'xyzzy-secret-value'
const SENT = {
  tenant: 'acme',
  level: '3',
  address: { city: 'Kiel', lines: ['a', 'b'] },
  since: '2026-01-01',
}

interface Output {
  tenant: string
  level: number
  address: { city: string; lines: string[] }
  since: Date
}

const schemas = {
  zod: z.object({
    tenant: z.string().max(10),
    level: z.string().transform(Number),
    address: z.object({ city: z.string(), lines: z.array(z.string()) }),
    since: z.string().transform((text) => new Date(text)),
  }),
  valibot: v.object({
    tenant: v.pipe(v.string(), v.maxLength(10)),
    level: v.pipe(v.string(), v.transform(Number)),
    address: v.object({ city: v.string(), lines: v.array(v.string()) }),
    since: v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    ),
  }),
}
const asynchronous = {
  zod: z.object({
    tenant: z.string().refine(async (name) => (await Promise.resolve(name)).startsWith('a')),
  }),
  valibot: v.objectAsync({
    tenant: v.pipeAsync(
      v.string(),
      v.checkAsync(async (name) => (await Promise.resolve(name)).startsWith('a')),
    ),
  }),
}

type Schema = NonNullable<JwtOptions<unknown>['claims']>

function verifier<Claims>(claims: NonNullable<JwtOptions<Claims>['claims']>) {
  const keys = { keys: [key.jwk] }
  return jwt({ issuer: ISSUER, audience: AUDIENCE, keys, now: () => NOW * 1000, claims })
}

async function identity<Claims>(
  schema: NonNullable<JwtOptions<Claims>['claims']>,
  claims: object = SENT,
): Promise<Identity<Claims>> {
  const verification = await verifier(schema).verify(await key.sign({ ...claims }))
  if (!verification.active) throw new Error(verification.reason)
  return verification.identity
}

const refusal = async (schema: Schema, claims: object) =>
  verifier(schema).verify(await key.sign({ ...claims }))

async function decide(schema: Schema, claims: object = SENT) {
  const token = await key.sign({ ...claims })
  return createGate({ verifier: verifier(schema) }).authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
}

/** A schema by hand, whose answer is whatever is given. */
const answering = (answer: () => unknown) =>
  ({ '~standard': { version: 1, vendor: 'test', validate: answer } }) as Schema

const echo = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value: unknown) => ({ value: value as typeof SENT }),
  },
} as const

describe.each(Object.entries(schemas))('a schema of %s', (_library, schema) => {
  it('returns the claims, typed and transformed', async () => {
    const { claims, subject, scopes } = await identity<Output>(schema)
    expect(claims).toEqual({ ...SENT, level: 3, since: new Date('2026-01-01') })
    expect({ subject, scopes }).toEqual({ subject: 'emma', scopes: ['read', 'write'] })
  })

  it('returns claims that are deeply frozen', async () => {
    const { claims } = await identity<Output>(schema)
    for (const object of [claims, claims.address, claims.address.lines])
      expect(Object.isFrozen(object)).toBe(true)
    expect(() => claims.address.lines.push('c')).toThrow(TypeError)
  })

  it.each<[string, object, string]>([
    ['a value of another type', { ...SENT, tenant: 7 }, 'tenant'],
    ['a value that it does not allow', { ...SENT, tenant: SECRET }, 'tenant'],
    ['a claim that is missing', { ...SENT, level: undefined }, 'level'],
    ['a value deep inside', { ...SENT, address: { city: 'Kiel', lines: [SECRET, 7] } }, 'address'],
  ])('rejects %s, and names the claim alone', async (_what, claims, detail) => {
    expect(await refusal(schema, claims)).toEqual({ active: false, reason: 'invalid_claim', detail })
  })

  it('says nothing of a value to the client', async () => {
    const decision = await decide(schema, { ...SENT, tenant: SECRET })
    expect(decision).toMatchObject({ ok: false, status: 401, reason: 'invalid_claim' })
    expect(JSON.stringify(decision)).not.toContain(SECRET)
  })

  it('checks only claims that the issuer signed', async () => {
    const [header, payload] = (await key.sign({ ...SENT, tenant: SECRET })).split('.')
    const [, , signature] = (await key.sign({ ...SENT })).split('.')
    expect(await verifier<unknown>(schema).verify(`${header}.${payload}.${signature}`)).toMatchObject({
      reason: 'invalid_signature',
    })
  })
})

describe.each(Object.entries(asynchronous))('an asynchronous schema of %s', (_library, schema) => {
  it('an asynchronous schema returns the claims, and rejects them', async () => {
    expect((await identity<{ tenant: string }>(schema)).claims).toEqual({ tenant: 'acme' })
    expect(await refusal(schema, { ...SENT, tenant: SECRET })).toEqual({
      active: false,
      reason: 'invalid_claim',
      detail: 'tenant',
    })
  })
})

describe('what a schema gives', () => {
  it('may be of any type, and is what arrives', async () => {
    for (const value of ['acme', 7, null, undefined, ['a'], new Map([['a', 1]])])
      expect((await identity(answering(() => ({ value })))).claims).toEqual(value)
  })

  it('does not change the claims that the rest of the identity is made of', async () => {
    const greedy = answering(() => ({ value: { sub: 'admin', scope: 'all' } }))
    expect(await identity(greedy)).toMatchObject({ subject: 'emma', scopes: ['read', 'write'] })
  })

  it('is made of claims that it cannot change', async () => {
    const { claims } = await identity<typeof SENT>(echo)
    expect(Object.isFrozen(claims) && Object.isFrozen(claims.address.lines)).toBe(true)
    expect(() => claims.address.lines.push('c')).toThrow(TypeError)
    const greedy = (given: unknown) => ({ value: Object.assign(given as object, { sub: 'admin' }) })
    await expect(identity({ '~standard': { version: 1, vendor: 'test', validate: greedy } })).rejects.toThrow(
      TypeError,
    )
  })

  it('has no prototype of a claim’s making', async () => {
    const text = `{"__proto__":{"isAdmin":true},"constructor":"c","tenant":"acme"}`
    for (const schema of [z.looseObject({ tenant: z.string() }), v.looseObject({ tenant: v.string() })]) {
      const { claims } = await identity<{ tenant: string; isAdmin?: unknown }>(schema, JSON.parse(text))
      expect(claims.isAdmin).toBeUndefined()
      expect(Object.getPrototypeOf(claims)).toBe(Object.prototype)
    }
    expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined()
  })

  it('names the claims as a whole if the path of an issue is no plain name', async () => {
    const paths = [undefined, [], [Symbol('s')], [7], [SECRET.repeat(5)], ['a b'], [{ key: 'a\nb' }], [{}]]
    for (const path of paths) {
      const schema = answering(() => ({ issues: [{ message: SECRET, path }] }))
      expect(await refusal(schema, SENT)).toMatchObject({ detail: 'the claims as a whole' })
    }
    expect(
      await refusal(
        answering(() => ({ issues: [] })),
        SENT,
      ),
    ).toMatchObject({ reason: 'invalid_claim' })
    expect(await refusal(z.strictObject({ tenant: z.string() }), SENT)).toMatchObject({
      detail: 'the claims as a whole',
    })
  })

  it('may be issues in a list of a class of its own, as arktype has them', async () => {
    class Issues extends Array<object> {
      get issues() {
        return this
      }
    }
    const schema = answering(() => Issues.of({ message: SECRET, path: ['tenant'] }))
    expect(await refusal(schema, SENT)).toEqual({
      active: false,
      reason: 'invalid_claim',
      detail: 'tenant',
    })
  })
})

describe('a schema that', () => {
  const thrown = (error: unknown) => () => {
    throw error
  }
  it.each<[string, () => unknown]>([
    ['throws', thrown(new Error('no'))],
    ['throws nothing', thrown(undefined)],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['gives nothing', () => undefined],
    ['gives null', () => null],
    ['gives true', () => true],
    ['gives a text', () => 'ok'],
    ['gives neither a value nor issues', () => ({})],
    ['gives the result of another interface', () => ({ success: false, error: {} })],
    ['gives an empty list', () => []],
    ['gives issues that are no list', () => ({ issues: true })],
    ['gives issues that are null', () => ({ value: {}, issues: null })],
    ['promises nothing', async () => undefined],
    ['promises neither', async () => ({ valid: true })],
    ['gives what is nested without end', () => ({ value: endless() })],
  ])('%s leaves the token undecided: 503', async (_what, answer) => {
    const [settled] = await Promise.allSettled([refusal(answering(answer), SENT)])
    expect(settled?.status).toBe('rejected')
    expect(await decide(answering(answer))).toMatchObject({ ok: false, status: 503, reason: 'unavailable' })
  })

  it('throws an UnavailableError says for how long', async () => {
    const decision = await decide(answering(thrown(new UnavailableError('no', { retryAfter: 7 }))))
    expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '7' } })
  })

  it.each([[null], [{}], [() => ({})], ['zod'], [{ '~standard': null }], [{ '~standard': { version: 2 } }]])(
    'a schema that is none throws a TypeError: %j',
    (schema) => {
      expect(() => verifier(schema as never)).toThrow(
        new TypeError('"claims" must be a Standard Schema, such as one of zod or valibot'),
      )
    },
  )
})

function endless(): object {
  const circle: Record<string, unknown> = {}
  circle.again = circle
  return circle
}
