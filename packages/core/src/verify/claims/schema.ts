/** Checks claims with any library that implements Standard Schema, such as zod, valibot or arktype. */

import { configurationError } from '../../lib/configuration-error.ts'
import { isObject } from '../../lib/json.ts'
import { isPromiseLike } from '../../lib/promise.ts'
import { MistakeError } from '../../model/unavailable.ts'
import { type Inactive, inactive } from '../verification.ts'

/** The part of a Standard Schema (version 1) that is used. See https://standardschema.dev. */
export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

/** The result of a schema: the output, or the issues. */
type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One problem that a schema found. */
interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * Checks an option that is a Standard Schema. The schemas of arktype are functions, so any value with the member is accepted.
 * @throws TypeError if it is none
 */
export function schema<Output>(name: string, value: StandardSchema<Output>): StandardSchema<Output> {
  const standard = (value as Partial<StandardSchema<Output>> | null)?.['~standard']
  if (standard?.version !== 1 || typeof standard.validate !== 'function')
    throw configurationError(
      'INVALID_OPTION',
      `"${name}" must be a Standard Schema, such as one of zod or valibot`,
    )
  return value
}

/**
 * Validates claims by a schema. Returns its output, or `invalid_claim`.
 * @throws UnavailableError if the schema returns neither a value nor issues
 */
export function conform<Output>(
  { '~standard': standard }: StandardSchema<Output>,
  claims: unknown,
): { value: Output } | Inactive | Promise<{ value: Output } | Inactive> {
  const result = standard.validate(claims)
  return isPromiseLike(result) ? Promise.resolve(result).then(outputOf) : outputOf(result)
}

/** Reads the result of a schema. */
function outputOf<Output>(result: SchemaResult<Output>): { value: Output } | Inactive {
  // The issues of arktype are an array whose member `issues` is the array itself.
  const { issues } = Object(result) as Partial<SchemaResult<Output>>
  if (Array.isArray(issues)) return inactive('invalid_claim', claimOf(issues[0]))
  if (isObject(result) && issues === undefined && 'value' in result) return { value: result.value as Output }
  throw new MistakeError(
    'The schema of "claims" must return an object with "value" or with an array "issues" (Standard Schema)',
  )
}

/** Names the wrong claim. The message of the schema is not used, because it may quote a value. */
function claimOf(issue: SchemaIssue | undefined): string {
  const [first] = issue?.path ?? []
  const key = isObject(first) ? first.key : first
  return typeof key === 'string' && /^[\w:./-]{1,64}$/.test(key) ? key : 'the claims as a whole'
}
