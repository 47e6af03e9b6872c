/** Where an adapter keeps what the gate decided, so that handlers and later middleware find it again. */

import type { Requirement } from './authorize.ts'
import type { Decision, Grant } from './decision.ts'
import type { Gate } from './gate.ts'
import type { OnReject } from './gate-options.ts'
import type { Sender } from './identity.ts'

interface Attachment<I extends Sender = Sender> {
  readonly gate: Gate<I>
  readonly grant: Grant<I>
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

/** Remembers of a request, or of whatever lives as long, who passed which gate. */
export function attach<I extends Sender>(carrier: object, gate: Gate<I>, grant: Grant<I>): void {
  const attachment = { gate, grant, before: attached(carrier) }
  all.set(carrier, attachment as unknown as Attachment)
}

function attached(carrier: object): Attachment | undefined {
  return all.get(carrier)
}

/**
 * The identity that passed this gate, `undefined` where the gate let the request pass without one.
 * @throws TypeError where the gate's middleware did not run for this request
 */
export function identityFrom<I extends Sender>(carrier: object, gate: Gate<I>): I {
  for (let found = attached(carrier); found !== undefined; found = found.before)
    if (found.gate === (gate as unknown)) return found.grant.identity as I
  throw new TypeError('bearer() did not run for this request: mount it before this handler')
}

/**
 * Decides whether the identity that was attached last may do what is required, by the gate that let it pass.
 * @throws TypeError where no gate's middleware ran for this request
 */
export function authorizeAttached(
  carrier: object,
  required: Requirement,
): [decision: Decision<Sender>, onReject: OnReject] {
  const attachment = attached(carrier)
  if (attachment === undefined)
    throw new TypeError(
      'bearer() did not run for this request: mount it before authorize() and requireScope()',
    )
  const { gate, grant } = attachment
  return [grant.preflight ? grant : gate.authorize(grant.identity, required), gate.onReject]
}

/** What is used of a `node:http` response. */
export interface NodeResponse {
  setHeader(name: string, value: string): unknown
  writeHead(...args: never[]): unknown
}

/**
 * Has the answer to a granted request carry what it must (`grant.headers`), whatever a handler sets: a URL with a token in
 * it is not to be kept (RFC 6750 §2.3).
 */
export function insist(response: NodeResponse, headers: Readonly<Record<string, string>>): void {
  const { writeHead } = response
  const names = Object.keys(headers).map((name) => name.toLowerCase())
  response.writeHead = (...args) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    return writeHead.apply(response, args.map((arg) => without(arg, names)) as never[])
  }
}

/** The headers that `writeHead` is given, as an object or as a list of names and values, without these. */
function without(given: unknown, names: readonly string[]): unknown {
  const isOther = (name: unknown) => !names.includes(String(name).toLowerCase())
  if (Array.isArray(given))
    return Array.isArray(given[0])
      ? given.filter(([name]) => isOther(name))
      : given.filter((_, index) => isOther(given[index - (index % 2)]))
  if (typeof given !== 'object' || given === null) return given
  return Object.fromEntries(Object.entries(given).filter(([name]) => isOther(name)))
}
