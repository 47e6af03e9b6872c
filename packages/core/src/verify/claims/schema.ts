/** Claims of your own, checked by any library that speaks Standard Schema: zod, valibot, arktype and others. */

import { isPromiseLike } from '../../lib/assert.ts'
import { isObject } from '../../model/identity.ts'
import { UnavailableError } from '../../model/rejection.ts'
import { type Inactive, inactive } from '../verifier.ts'

/** The part of a Standard Schema (version 1) that is used; https://standardschema.dev. */
export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** The check of an option that takes a schema. */
export function schema<Output>(name: string, value: StandardSchema<Output>): StandardSchema<Output> {
  const standard = (value as Partial<StandardSchema<Output>> | null)?.['~standard']
  if (standard?.version !== 1 || typeof standard.validate !== 'function')
    throw new TypeError(`"${name}" must be a Standard Schema, such as one of zod or valibot`)
  return value
}

/** What the schema makes of the claims: its output, or `invalid_claim`. */
export function conform<Output>(
  { '~standard': standard }: StandardSchema<Output>,
  claims: unknown,
): { value: Output } | Inactive | Promise<{ value: Output } | Inactive> {
  const result = standard.validate(claims)
  return isPromiseLike(result) ? Promise.resolve(result).then(judge) : judge(result)
}

function judge<Output>(result: SchemaResult<Output>): { value: Output } | Inactive {
  // Issues may be a list that has itself for its issues, as those of arktype.
  const { issues } = Object(result) as Partial<SchemaResult<Output>>
  if (Array.isArray(issues)) return inactive('invalid_claim', claimOf(issues[0]))
  if (isObject(result) && issues === undefined && 'value' in result) return { value: result.value as Output }
  throw new UnavailableError('The schema of "claims" gave no result')
}

/** The claim at fault. Its name alone: what a schema says of it may quote a value. */
function claimOf(issue: SchemaIssue | undefined): string {
  const [first] = issue?.path ?? []
  const key = isObject(first) ? first.key : first
  return typeof key === 'string' && /^[\w:./-]{1,64}$/.test(key) ? key : 'the claims as a whole'
}
