/** Claims become an identity: which claim becomes what, and what applications return instead. */

import { UnavailableError } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { identity, type Options, status, verify } from '../../../support/claims.ts'
import { AUDIENCE } from '../../../support/issuer.ts'

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

  it('reads the roles of resource_access for each configured audience, and none if the audience is null', async () => {
    const claims = { aud: ['other'], ...resources }
    expect((await identity(claims, { audience: ['other', AUDIENCE] })).roles).toEqual(['x', 'c'])
    expect((await identity(claims, { audience: null })).roles).toEqual([])
  })

  it('never reads roles from a prototype', async () => {
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
  it('the options scopes and roles replace the scopes and roles of the claims', async () => {
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

  it('the function scopes receives all claims, frozen, even if a schema returns others', async () => {
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
