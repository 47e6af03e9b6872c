/** Stores the gate's decision for a request, so that handlers and later middleware find it again. */

import { isTargetedCacheControl, stricter } from '../answer/cache-headers.ts'
import { allOf } from '../authorize/combinators.ts'
import { type Requirement, type Rule, toRequirement } from '../authorize/requirement.ts'
import { scope } from '../authorize/scope.ts'
import type { Decision, Passed, RequiredHeaders } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { Gate } from './gate.ts'
import type { OnDenied } from './options.ts'

interface Attachment<I extends Identity<unknown> | undefined = Identity<unknown> | undefined> {
  readonly gate: Gate<I>
  readonly identity: I
  /** What another gate attached before. */
  readonly before: Attachment | undefined
}

/** Registered, so that two copies of this module in one process find each other's attachments. */
const ATTACHMENTS = Symbol.for('bearergate.attachments')

type Attachments = WeakMap<object, Attachment>

/** By the request itself: what hangs on it may be shared, copied or replaced. */
function attachments(): Attachments {
  const registry = globalThis as { [ATTACHMENTS]?: Attachments }
  registry[ATTACHMENTS] ??= new WeakMap()
  return registry[ATTACHMENTS]
}

const all = attachments()

/** Stores whom a gate let pass for a request, or for whatever lives as long. */
export function setDecision<I extends Identity<unknown> | undefined>(
  carrier: object,
  gate: Gate<I>,
  decision: Passed<I>,
): void {
  const attachment = { gate, identity: decision.identity, before: all.get(carrier) }
  all.set(carrier, attachment as unknown as Attachment)
}

/**
 * Returns the identity that passed this gate; `undefined` if the gate let the request pass without one.
 * @throws TypeError if the gate's middleware did not run for this request
 */
export function getIdentity<I extends Identity<unknown> | undefined>(carrier: object, gate: Gate<I>): I {
  for (let found = all.get(carrier); found !== undefined; found = found.before)
    if (found.gate === (gate as unknown)) return found.identity as I
  throw new TypeError('this bearer() did not run for this request: mount it before this handler')
}

/**
 * Decides whether the identity of a request meets a requirement, by the gate that is named, or by the only one that ran.
 * @throws TypeError if that gate did not run for this request; without a gate also if more than one ran
 */
export function authorizeRequest(
  carrier: object,
  required: Requirement,
  named?: Gate<Identity<unknown> | undefined>,
): [decision: Decision<Identity<unknown> | undefined>, onDenied: OnDenied] {
  const gate = named ?? onlyGate(carrier)
  return [gate.authorize(getIdentity(carrier, gate), required), gate.onDenied]
}

function onlyGate(carrier: object): Gate<Identity<unknown> | undefined> {
  const first = all.get(carrier)
  if (first === undefined)
    throw new TypeError(
      'bearer() did not run for this request: mount it before authorize() and requireScope()',
    )
  for (let other = first.before; other !== undefined; other = other.before)
    if (other.gate !== first.gate)
      throw new TypeError(
        'more than one bearer() ran for this request, so authorize() and requireScope() cannot tell which one decides: use auth.authorize(…) or auth.requireScope(…) of the one that you mean',
      )
  return first.gate
}

/** One scope, or several in an array. */
export type Scopes = string | readonly string[]

/**
 * Makes a requirement of scopes, all of which are needed.
 * @throws TypeError if none is given, or one is not a scope-token
 */
export function scopesRequirement(scopes: readonly Scopes[]): Rule {
  const [first, ...others] = scopes.flatMap((given) => given ?? []).map((name) => scope(name))
  if (first === undefined)
    throw new TypeError('"requireScope" needs at least one scope, such as requireScope(\'read:messages\')')
  return toRequirement('requireScope', allOf(first, ...others))
}

/** What is used of a `node:http` response. */
export interface NodeResponse {
  getHeader(name: string): number | string | readonly string[] | undefined
  getHeaderNames(): readonly string[]
  setHeader(name: string, value: string): unknown
  removeHeader(name: string): void
  writeHead(...args: never[]): unknown
}

/**
 * Makes the answer to an allowed request carry `decision.headers`, whatever the handler sets: the stricter value wins.
 * The handler may set its headers until they are sent, so they are merged then.
 */
export function forceHeaders(response: NodeResponse, headers: RequiredHeaders): void {
  const { writeHead } = response
  const names = Object.keys(headers).map((name) => name.toLowerCase())
  const isAffected = (name: string) => names.includes(name.toLowerCase()) || isTargetedCacheControl(name)
  response.writeHead = (...args) => {
    const written = new Map<string, string>()
    const others = args.map((arg) => without(arg, isAffected, written))
    for (const name of response.getHeaderNames())
      if (isTargetedCacheControl(name)) response.removeHeader(name)
    for (const [name, value] of Object.entries(headers)) {
      const given = written.get(name.toLowerCase()) ?? textOf(response.getHeader(name))
      response.setHeader(name, stricter(name, value, given))
    }
    return writeHead.apply(response, others as never[])
  }
}

/**
 * The headers that `writeHead` is given, as an object or as a list of names and values, without those that are affected,
 * which are kept in `written`.
 */
function without(
  given: unknown,
  isAffected: (name: string) => boolean,
  written: Map<string, string>,
): unknown {
  const isOther = (name: unknown, value: unknown) => {
    if (!isAffected(String(name))) return true
    const key = String(name).toLowerCase()
    const before = written.get(key)
    written.set(key, before === undefined ? (textOf(value) ?? '') : `${before}, ${textOf(value)}`)
    return false
  }
  if (Array.isArray(given)) {
    if (Array.isArray(given[0])) return given.filter(([name, value]) => isOther(name, value))
    const pairs = Array.from({ length: Math.ceil(given.length / 2) }, (_, index) =>
      given.slice(2 * index, 2 * index + 2),
    )
    return pairs.filter(([name, value]) => isOther(name, value)).flat()
  }
  if (typeof given !== 'object' || given === null) return given
  return Object.fromEntries(Object.entries(given).filter(([name, value]) => isOther(name, value)))
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : [value].flat().join(', ')
}
