/** Whether a token may pass, decided with node:crypto and Buffer alone (RFC 7515 §5.2, RFC 7519 §7.2). */

import type { KeyObject } from 'node:crypto'
import { AUDIENCE, ISSUER, NOW } from '../support/issuer.ts'
import { isSigned } from './signer.ts'

/** A key of the issuer's, with the one name and the one algorithm that it goes by. */
export interface TrustedKey {
  readonly alg: string
  readonly kid: string | undefined
  readonly key: KeyObject
}

export type Profile = 'generic' | 'rfc9068'
type Members = Readonly<Record<string, unknown>>

const TYPES = { generic: [undefined, 'jwt', 'at+jwt'], rfc9068: ['at+jwt'] } as const
/** RFC 9068 §2.2; what nobody can do without is the issuer, the audience and an end. */
const REQUIRED = {
  generic: ['iss', 'aud', 'exp'],
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
} as const
const TOLERANCE = 30
const LAST_DATE = 253_402_300_799

/** A JSON object out of a segment in its one spelling: encoding the bytes again gives the same text. */
export function decoded(segment: string): Members | undefined {
  const bytes = Buffer.from(segment, 'base64url')
  if (bytes.toString('base64url') !== segment || !Buffer.from(bytes.toString()).equals(bytes))
    return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Members)
      : undefined
  } catch {
    return undefined
  }
}

/** What is wrong with a token that passed; `undefined` where nothing is. */
export function faultOfToken(
  token: string,
  keys: readonly TrustedKey[],
  profile: Profile = 'generic',
): string | undefined {
  const [header = '', payload = '', signature = '', ...more] = token.split('.')
  if (more.length > 0) return 'not three segments'
  const members = decoded(header)
  const claims = decoded(payload)
  const bytes = Buffer.from(signature, 'base64url')
  if (members === undefined || claims === undefined) return 'no JSON object'
  if (signature === '' || bytes.toString('base64url') !== signature)
    return 'another spelling of the signature'
  for (const name of ['crit', 'b64', 'zip', 'enc'])
    if (Object.hasOwn(members, name)) return `"${name}" in the header`
  const type = typeOf(members)
  if (!(TYPES[profile] as readonly unknown[]).includes(type)) return 'another type'
  const { alg, kid } = { alg: undefined, kid: undefined, ...members } as Members
  const signed = keys.some(
    (key) =>
      key.alg === alg &&
      (kid === undefined || key.kid === kid) &&
      isSigned(key.alg, key.key, `${header}.${payload}`, bytes),
  )
  if (!signed) return 'signed by none of the keys'
  const text = Buffer.from(payload, 'base64url').toString()
  return depthOf(text) > 32 ? 'nested too deeply' : faultOfClaims(claims, type, profile)
}

function typeOf(members: Members): string | undefined {
  if (!Object.hasOwn(members, 'typ')) return undefined
  return String(members.typ).toLowerCase().replace('application/', '')
}

const isDate = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= LAST_DATE
const isText = (value: unknown) => typeof value === 'string' && value !== ''
const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')
const isPlainObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a claim that decides must be where it is present. */
const DECIDING: Readonly<Record<string, (value: unknown) => boolean>> = {
  exp: (value) => isDate(value) && NOW < value + TOLERANCE,
  nbf: (value) => isDate(value) && NOW >= value - TOLERANCE,
  iat: (value) => isDate(value) && value <= NOW + TOLERANCE,
  iss: (value) => value === ISSUER,
  aud: (value) => value === AUDIENCE || (isTexts(value) && value.includes(AUDIENCE)),
  // A token that is bound to a key is no bearer token (RFC 9449 §7.2).
  cnf: () => false,
}

/** RFC 9068 §2.2: the form of the others. Elsewhere they are left out of the identity. */
const FORMS: typeof DECIDING = {
  auth_time: isDate,
  sub: isText,
  client_id: isText,
  jti: isText,
  scope: (value) => typeof value === 'string',
  scp: (value) => typeof value === 'string',
  act: isPlainObject,
}

function faultOfClaims(claims: Members, type: string | undefined, profile: Profile): string | undefined {
  for (const name of REQUIRED[profile]) if (!Object.hasOwn(claims, name)) return `no "${name}"`
  for (const [name, isGood] of Object.entries({ ...DECIDING, ...(profile === 'rfc9068' && FORMS) }))
    if (Object.hasOwn(claims, name) && !isGood(claims[name])) return `a bad "${name}"`
  return type !== 'at+jwt' && isOtherKind(claims) ? 'another kind of token' : undefined
}

const joinedBy = (kinds: readonly string[]) =>
  kinds.flatMap((kind) => ['_token', '-token'].map((end) => kind + end))
const ACCESS = new Set(['bearer', 'dpop', 'access', ...joinedBy(['access']), 'at+jwt', 'application/at+jwt'])
/** Whether this is a name for access tokens, in lower case. */
export const isAccess = (kind: string) => ACCESS.has(kind)
const OTHER_KINDS = ['id', 'refresh', 'offline', 'logout']
const OTHER = new Set([...OTHER_KINDS, ...joinedBy(OTHER_KINDS)])
export const MARKS = [
  ...['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'token_introspection'],
  ...['vc', 'vp', '_sd', '_sd_alg'],
]

/** RFC 8725 §3.12: claims that name their kind are of that kind. Others must have no mark of another kind. */
export function isOtherKind(claims: Members): boolean {
  const has = (name: string) => Object.hasOwn(claims, name)
  const kindsOf = (...names: readonly string[]) =>
    names
      .map((name) => (has(name) ? claims[name] : undefined))
      .filter((kind) => typeof kind === 'string')
      .map(lower)
  const kinds = kindsOf('typ', 'token_use', 'token_type')
  if (kinds.some((kind) => !ACCESS.has(kind) && (OTHER.has(kind) || /\+(sd-)?jwt$/.test(kind)))) return true
  if (kindsOf('type').some((kind) => OTHER.has(kind))) return true
  if (kinds.includes('dpop') && !has('cnf')) return true
  if (kindsOf('typ', 'token_use').some((kind) => ACCESS.has(kind))) return false
  return MARKS.some(has) || (has('htm') && has('htu'))
}

/** ASCII letters only. */
export const lower = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The levels of a JSON text. Members that a later one of the same name replaces count too. */
function depthOf(text: string): number {
  const brackets = text.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/[[{\]}]/g) ?? []
  let [level, deepest] = [0, 0]
  for (const bracket of brackets) {
    level += '[{'.includes(bracket) ? 1 : -1
    deepest = Math.max(deepest, level)
  }
  return deepest
}
