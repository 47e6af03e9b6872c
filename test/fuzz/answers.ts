/** What an introspection answer says of a token, read with Buffer and `JSON.parse` alone (RFC 7662 §2.2, RFC 9110 §8.3.1). */

import { isUtf8 } from 'node:buffer'
import type { Identity } from '@bearergate/core'
import { NOW } from '../support/issuer.ts'
import { isAccess, isOtherKind, lower, MARKS } from './oracle.ts'

export interface Answer {
  readonly status: number
  readonly type: string | undefined
  /** Its octets, as characters up to U+00FF. */
  readonly body: string
  /** No answer comes, or its body breaks off. */
  readonly failure: 'unreachable' | 'reset' | undefined
}

export interface Settings {
  readonly issuer: string | undefined
  readonly audience: string | null
}

export interface Reading {
  readonly status: 200 | 401 | 503
  /** What the verifier vouches for. A gate rejects it if it is bound to a key. */
  readonly identity?: Identity
}

type Members = Readonly<Record<string, unknown>>

const UNAVAILABLE: Reading = { status: 503 }
const REJECTED: Reading = { status: 401 }

const MAX_BODY = 256 * 1024
const MAX_DEPTH = 32
const MAX_AUDIENCES = 16
const TOLERANCE = 30
/** 9999-12-31T23:59:59Z */
const LAST_DATE = 253_402_300_799

export function readAnswer(answer: Answer, settings: Settings): Reading {
  const members = membersOf(answer)
  if (members === undefined || !('active' in members)) return UNAVAILABLE
  if (members.active !== true) return REJECTED
  if (depthOf(members) > MAX_DEPTH) return UNAVAILABLE
  const said = Object.assign(Object.create(null), members) as Record<string, unknown>
  for (const name of Object.keys(said)) if (isUnset(name, said[name], settings)) delete said[name]
  if (!isAcceptable(said, settings)) return REJECTED
  // A token that is bound to a key is no bearer token (RFC 9449 §7.2).
  return { status: 'cnf' in said ? 401 : 200, identity: identityOf(said, members, settings) }
}

/** Members for which an empty value is none. Of `aud` that holds only if it is not checked. */
const OPTIONAL = [
  ...['iss', 'sub', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'azp', 'appid', 'cid', 'token_type', 'typ'],
  ...['token_use', 'acr', 'auth_time', 'act', 'htm', 'htu', ...MARKS],
]

function isUnset(name: string, value: unknown, { audience }: Settings): boolean {
  if (value === null) return true
  const isEmpty = value === '' || (Array.isArray(value) && value.length === 0)
  return isEmpty && (name === 'aud' ? audience === null : OPTIONAL.includes(name))
}

/** The members of the object that was answered: without a prototype, so that no name is inherited. */
function membersOf({ status, type, body, failure }: Answer): Members | undefined {
  const octets = Buffer.from(body, 'latin1')
  if (failure !== undefined || status !== 200 || octets.length > MAX_BODY || !isUtf8(octets)) return undefined
  if (
    type
      ?.split(';')[0]
      ?.replace(/[ \t]+$/, '')
      .toLowerCase() !== 'application/json'
  )
    return undefined
  try {
    const value: unknown = JSON.parse(octets.toString())
    if (!isPlainObject(value)) return undefined
    return Object.assign(Object.create(null), value) as Members
  } catch {
    return undefined
  }
}

function isAcceptable(said: Members, { issuer, audience }: Settings): boolean {
  const { exp, nbf, iat, aud, iss, token_type: type } = said
  const has = (name: string) => name in said
  const names = typeof aud === 'string' ? [aud] : aud
  return (
    ['exp', 'nbf', 'iat'].every((name) => !has(name) || isDate(said[name])) &&
    (!has('cnf') || isPlainObject(said.cnf)) &&
    (!has('token_type') || (isText(type) && isBearer(lower(type), has('cnf')))) &&
    !isOtherKind(said) &&
    (issuer === undefined || !has('iss') || iss === issuer) &&
    (!has('aud') || (isTexts(names) && names.length > 0)) &&
    (audience === null || (isTexts(names) && names.slice(0, MAX_AUDIENCES).includes(audience))) &&
    (!has('exp') || NOW < (exp as number) + TOLERANCE) &&
    (!has('nbf') || NOW >= (nbf as number) - TOLERANCE) &&
    (!has('iat') || (iat as number) <= NOW + TOLERANCE)
  )
}

/** A DPoP token is bound to a key (RFC 9449 §6.2). */
const isBearer = (type: string, isBound: boolean) => isAccess(type) && (type !== 'dpop' || isBound)

/** @param all the members with those that are null: a scope that is null is one that grants nothing */
function identityOf(said: Members, all: Members, { issuer, audience }: Settings): Identity {
  const text = (...names: readonly string[]) => names.map((name) => said[name]).find(isText)
  const name = (...names: readonly string[]) =>
    names.map((one) => said[one]).find((value): value is string => isText(value) && value !== '')
  const date = (name: string) => (isDate(said[name]) ? said[name] : undefined)
  const scope = ['scope', 'scp', 'permissions'].find((name) => name in all)
  const roles = [said.roles, memberOf(said.realm_access, 'roles')]
  if (audience !== null) roles.push(memberOf(memberOf(said.resource_access, audience), 'roles'))
  const source = text('iss') ?? issuer
  return {
    kind: 'introspection',
    subject: name('sub'),
    issuer: source,
    clientId: name('client_id', 'azp', 'appid', 'cid'),
    audience: list(said.aud),
    scopes:
      scope === undefined
        ? []
        : list(said[scope]).flatMap((item) =>
            isText(said[scope]) ? item.split(' ').filter(Boolean) : [item],
          ),
    roles: [...new Set(roles.flatMap(list))],
    expiresAt: date('exp'),
    issuedAt: date('iat'),
    tokenId: name('jti'),
    acr: text('acr'),
    authenticatedAt: date('auth_time'),
    claims: said,
    actor: isPlainObject(said.act) ? said.act : undefined,
    source: { verifier: 'introspection', issuer: source, tokenFrom: 'header' },
  }
}

const list = (value: unknown): readonly string[] => (isText(value) ? [value] : isTexts(value) ? value : [])

function memberOf(value: unknown, name: string): unknown {
  return isPlainObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText)
const isDate = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= LAST_DATE
const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
