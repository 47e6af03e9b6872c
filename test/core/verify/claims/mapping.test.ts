/** From claims to an identity: which claim is asked for what, what users say instead, and the claims that they require. */

import { createGate, type Identity, type JwtOptions, jwt, UnavailableError } from '@bearergate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../../support/issuer.ts'

let key: TestKey

beforeAll(async () => {
  key = await createKey('ES256')
})

type Options = Partial<JwtOptions>

function verifier(options: Options = {}) {
  const keys = { keys: [key.jwk] }
  return jwt({ issuer: ISSUER, audience: AUDIENCE, keys, now: () => NOW * 1000, ...options } as JwtOptions)
}

/** Signs the claims of a good token without scope and client, and these. */
const sign = (claims: object) => key.sign({ scope: undefined, client_id: undefined, ...claims })
const verify = async (claims: object, options?: Options) => verifier(options).verify(await sign(claims))

async function identity(claims: object, options?: Options): Promise<Identity> {
  const verification = await verify(claims, options)
  if (!verification.active) throw new Error(`${verification.reason}: ${verification.detail}`)
  return verification.identity
}

async function status(claims: object, options: Options): Promise<number | 'ok'> {
  const token = await sign(claims)
  const decision = await createGate({ verifier: verifier(options) }).authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
  return decision.ok ? 'ok' : decision.status
}

describe('scopes', () => {
  it.each<[string, object, readonly string[]]>([
    ['of a scope', { scope: 'a b' }, ['a', 'b']],
    ['of a scope with more spaces', { scope: ' a  b ' }, ['a', 'b']],
    ['of a scope that is a list', { scope: ['a', 'b c'] }, ['a', 'b c']],
    ['of an empty scope', { scope: '' }, []],
    ['of scp', { scp: 'a b' }, ['a', 'b']],
    ['of scp that is a list', { scp: ['a', 'b'] }, ['a', 'b']],
    ['of permissions', { permissions: ['a', 'b'] }, ['a', 'b']],
    ['of permissions in a text', { permissions: 'a b' }, ['a', 'b']],
    ['of permissions that are none', { permissions: { a: true } }, []],
    ['of permissions that are mixed', { permissions: ['a', 7] }, []],
    ['of scope before all', { permissions: ['p'], scp: ['s'], scope: 'a' }, ['a']],
    ['of scope even where it is empty', { permissions: ['p'], scp: ['s'], scope: '' }, []],
    ['of scp before permissions', { permissions: ['p'], scp: ['s'] }, ['s']],
    ['of nothing', {}, []],
  ])('are those %s', async (_what, claims, scopes) => {
    expect((await identity(claims)).scopes).toEqual(scopes)
  })
})

describe('roles', () => {
  const resources = { resource_access: { [AUDIENCE]: { roles: ['c'] }, other: { roles: ['x'] } } }
  it.each<[string, object, readonly string[]]>([
    ['of roles', { roles: ['a', 'b'] }, ['a', 'b']],
    ['of a role in a text, spaces and all', { roles: 'Billing admin' }, ['Billing admin']],
    ['of the realm', { realm_access: { roles: ['a'] } }, ['a']],
    ['of the audience in resource_access', resources, ['c']],
    [
      'of all of them, each once',
      { roles: ['a', 'b'], realm_access: { roles: ['b', 'c'] }, ...resources },
      ['a', 'b', 'c'],
    ],
    ['of nothing', {}, []],
    ['of nothing that is a list', { roles: { a: 1 }, realm_access: ['b'], resource_access: 'c' }, []],
    ['of nothing that is mixed', { roles: ['a', null] }, []],
  ])('are those %s', async (_what, claims, roles) => {
    expect((await identity(claims)).roles).toEqual(roles)
  })

  it('of resource_access count for each audience of ours, and for none where any is taken', async () => {
    const claims = { aud: ['other'], ...resources }
    expect((await identity(claims, { audience: ['other', AUDIENCE] })).roles).toEqual(['x', 'c'])
    expect((await identity(claims, { audience: null })).roles).toEqual([])
  })

  it('are never taken from a prototype', async () => {
    const claims = { aud: 'constructor', resource_access: { a: 1 }, realm_access: {} }
    expect((await identity(claims, { audience: ['constructor', '__proto__'] })).roles).toEqual([])
  })
})

describe('the client', () => {
  it.each<[object, string | undefined]>([
    [{ client_id: 'a', azp: 'b', appid: 'c', cid: 'd' }, 'a'],
    [{ azp: 'b', appid: 'c', cid: 'd' }, 'b'],
    [{ appid: 'c', cid: 'd' }, 'c'],
    [{ cid: 'd' }, 'd'],
    [{ azp: 7, cid: 'd' }, 'd'],
    [{}, undefined],
  ])('of %j is %s', async (claims, clientId) => {
    expect((await identity(claims)).clientId).toBe(clientId)
  })
})

describe('what users say of', () => {
  it('scopes and roles takes the place of what is found', async () => {
    const scopes = (claims: Readonly<Record<string, unknown>>) => [`read:${claims.tenant}`]
    const claims = { tenant: 'acme', scope: 'admin', roles: ['admin'] }
    expect(await identity(claims, { scopes, roles: () => [] })).toMatchObject({
      scopes: ['read:acme'],
      roles: [],
    })
  })

  it('scopes and roles is frozen, and a copy', async () => {
    const list = ['read']
    const { scopes, roles } = await identity({}, { scopes: () => list, roles: () => list })
    expect(Object.isFrozen(scopes) && Object.isFrozen(roles)).toBe(true)
    list.push('admin')
    expect([...scopes, ...roles]).toEqual(['read', 'read'])
  })

  it('scopes is asked of all claims, frozen, even where a schema gives others', async () => {
    const validate = () => ({ value: {} })
    const scopes = (claims: Readonly<Record<string, unknown>>) => {
      expect(Object.isFrozen(claims) && Object.isFrozen(claims.list)).toBe(true)
      return claims.list as string[]
    }
    const options = { scopes, claims: { '~standard': { version: 1, vendor: 'test', validate } } }
    expect((await identity({ list: ['a'] }, options as Options)).scopes).toEqual(['a'])
  })

  const nonsense: readonly [string, () => unknown][] = [
    ['nothing', () => undefined],
    ['null', () => null],
    ['a text', () => 'read'],
    ['a Set', () => new Set(['read'])],
    ['a list of others', () => ['read', 7]],
    ['an object', () => ({ read: true })],
    ['a promise', async () => ['read']],
    ['a promise that is rejected', async () => Promise.reject(new Error('no'))],
  ]
  it.each(nonsense)('scopes or roles as %s leaves the token undecided', async (_what, give) => {
    for (const option of ['scopes', 'roles']) {
      await expect(verify({}, { [option]: give })).rejects.toThrow(UnavailableError)
      await expect(verify({}, { [option]: give })).rejects.toThrow(`"${option}"`)
      expect(await status({}, { [option]: give })).toBe(503)
    }
  })

  it('scopes or roles by throwing leaves the token undecided', async () => {
    const roles = () => {
      throw new Error('no')
    }
    for (const option of ['scopes', 'roles']) {
      await expect(verify({}, { [option]: roles })).rejects.toThrow('no')
      expect(await status({}, { [option]: roles })).toBe(503)
    }
  })
})

describe('a required claim', () => {
  type Required = NonNullable<Options['requiredClaims']>
  const judged = async (requiredClaims: Required, claims: object) => {
    const verification = await verify(claims, { requiredClaims })
    return verification.active ? 'active' : `${verification.reason}: ${verification.detail}`
  }

  it.each<[string, Required, object, string]>([
    ['a value', { plan: 'pro' }, { plan: 'pro' }, 'active'],
    ['a value', { plan: 'pro' }, { plan: 'free' }, 'invalid_claim: plan'],
    ['a value', { plan: 'pro' }, {}, 'missing_claim: plan'],
    ['a value', { plan: 'pro' }, { plan: null }, 'invalid_claim: plan'],
    ['a value', { plan: 'pro' }, { plan: { pro: true } }, 'invalid_claim: plan'],
    ['a number', { level: 3 }, { level: 3 }, 'active'],
    ['a number', { level: 3 }, { level: '3' }, 'invalid_claim: level'],
    ['true', { email_verified: true }, { email_verified: true }, 'active'],
    ['true', { email_verified: true }, { email_verified: 'true' }, 'invalid_claim: email_verified'],
    ['false', { blocked: false }, { blocked: false }, 'active'],
    ['false', { blocked: false }, {}, 'missing_claim: blocked'],
    ['an empty text', { note: '' }, { note: '' }, 'active'],
    ['a list', { plan: ['pro', 'team'] }, { plan: 'team' }, 'active'],
    ['a list', { plan: ['pro', 'team'] }, { plan: 'free' }, 'invalid_claim: plan'],
    ['a value of an array', { groups: 'staff' }, { groups: ['all', 'staff'] }, 'active'],
    ['a value of an array', { groups: 'staff' }, { groups: ['all'] }, 'invalid_claim: groups'],
    ['a value of an array', { groups: 'staff' }, { groups: [] }, 'invalid_claim: groups'],
    ['a value of an array', { groups: 'staff' }, { groups: [['staff']] }, 'invalid_claim: groups'],
    ['a list of an array', { groups: ['staff', 'boss'] }, { groups: ['all', 'boss'] }, 'active'],
    ['a function', { level: (level) => Number(level) > 2 }, { level: 3 }, 'active'],
    ['a function', { level: (level) => Number(level) > 2 }, { level: 2 }, 'invalid_claim: level'],
    ['a function', { level: () => true }, {}, 'missing_claim: level'],
    ['a name of Object’s', { constructor: 'c' }, {}, 'missing_claim: constructor'],
    ['each of several', { a: 1, b: 2 }, { a: 1 }, 'missing_claim: b'],
    ['each of several', { a: 1, b: 2 }, { a: 2, b: 2 }, 'invalid_claim: a'],
    ['nothing', {}, {}, 'active'],
  ])('that is %s, %j, judges %j: %s', async (_what, required, claims, result) => {
    expect(await judged(required, claims)).toBe(result)
  })

  it('is 401, and never told by its value', async () => {
    expect(await status({ plan: 'free' }, { requiredClaims: { plan: 'pro' } })).toBe(401)
    expect(await judged({ plan: 'pro' }, { plan: 'xyzzy' })).not.toContain('xyzzy')
  })

  it('is asked of a function once the signature is known to be good, with a value that it cannot change', async () => {
    const seen: unknown[] = []
    const requiredClaims = { list: (value: unknown) => seen.push(value) > 0 }
    const [header, payload] = (await sign({ list: ['a'] })).split('.')
    const forged = `${header}.${payload}.${(await sign({})).split('.')[2]}`
    expect(await verifier({ requiredClaims }).verify(forged)).toMatchObject({ reason: 'invalid_signature' })
    expect(seen).toEqual([])
    await verify({ list: ['a'] }, { requiredClaims })
    expect(seen).toEqual([['a']])
    expect(Object.isFrozen(seen[0])).toBe(true)
  })

  it.each<[string, () => unknown]>([
    ['1', () => 1],
    ['a text', () => 'yes'],
    ['nothing', () => undefined],
    ['a promise', async () => true],
    ['a promise that is rejected', async () => Promise.reject(new Error('no'))],
  ])('of which a function says %s leaves the token undecided', async (_what, answer) => {
    const requiredClaims = { plan: answer as () => boolean }
    await expect(verify({ plan: 'pro' }, { requiredClaims })).rejects.toThrow(UnavailableError)
    expect(await status({ plan: 'pro' }, { requiredClaims })).toBe(503)
  })

  it('of which a function throws leaves the token undecided', async () => {
    const plan = () => {
      throw new Error('no')
    }
    expect(await status({ plan: 'pro' }, { requiredClaims: { plan } })).toBe(503)
  })

  it('is read once, when the verifier is made', async () => {
    const requiredClaims = { plan: ['pro'] }
    const verifying = verifier({ requiredClaims })
    requiredClaims.plan.push('free')
    expect(await verifying.verify(await sign({ plan: 'free' }))).toMatchObject({ reason: 'invalid_claim' })
  })

  it.each([
    [null],
    ['plan'],
    [['plan']],
    [{ plan: [] }],
    [{ plan: null }],
    [{ plan: undefined }],
    [{ plan: {} }],
    [{ plan: /pro/ }],
    [{ plan: ['pro', null] }],
    [{ plan: [['pro']] }],
  ])('that cannot be, %j, is a TypeError', (requiredClaims) => {
    expect(() => verifier({ requiredClaims: requiredClaims as never })).toThrow(TypeError)
    expect(() => verifier({ requiredClaims: requiredClaims as never })).toThrow('"requiredClaims"')
  })
})
