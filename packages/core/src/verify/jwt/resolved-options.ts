/** Copies the options that an `IssuerResolver` returns, and compares them with the options of its last answer. */

import { readOptions } from '../../lib/assert.ts'
import { frozen } from '../../lib/freeze.ts'
import { isObject } from '../../lib/json.ts'
import { isPlain } from '../../lib/plain.ts'
import { ISSUER_OPTIONS, type IssuerOptions } from './options.ts'

/**
 * Copies options, because the application may change its object later. A schema and a store are not plain data. They are kept
 * as they are, and compared by identity.
 * @throws TypeError if an option is unknown
 */
export function copyOptions<Claims>(given: IssuerOptions<Claims>): IssuerOptions<Claims> {
  const { claims, jwksStore, ...rest } = readOptions('multiIssuerJwt', given, ISSUER_OPTIONS)
  const objects = {
    ...(claims !== undefined && { claims }),
    ...(jwksStore !== undefined && { jwksStore }),
  }
  return Object.assign(Object.create(null), frozen({ ...rest }), objects)
}

/** The options that decide which keys are used. */
const KEY_SETTINGS = [
  'jwksUri',
  'discovery',
  'allowHttp',
  'keys',
  'secret',
  'publicKey',
  'algorithms',
  'cacheMaxAge',
  'staleIfError',
  'cooldown',
  'timeout',
] as const

/**
 * Whether both options mean the same key set, so that it need not be fetched again. `fetch` and `onJwks` do not count: a
 * function may create them for each answer. The verifier keeps using the `fetch` and `onJwks` of the first answer.
 */
export function haveSameKeys(one: IssuerOptions<unknown>, other: IssuerOptions<unknown>): boolean {
  return KEY_SETTINGS.every((name) => isSame(one[name], other[name]))
}

/** Compares plain data by its content, and anything else by identity. */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (!isData(one) || !isData(other) || Array.isArray(one) !== Array.isArray(other)) return false
  const [entries, others] = [Object.entries(one), new Map(Object.entries(other))]
  return entries.length === others.size && entries.every(([name, value]) => isSame(value, others.get(name)))
}

/** Whether a value is an array, or an object without a class of its own. */
function isData(value: unknown): value is object {
  return Array.isArray(value) || (isObject(value) && isPlain(value))
}
