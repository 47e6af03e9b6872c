/** Makes the response to an allowed request carry the headers that the decision requires, on Node. */

import { isTargetedCacheControl, stricter } from '../answer/cache-headers.ts'
import type { RequiredHeaders } from '../model/decision.ts'
import { type NodeResponse, textOf } from './node-response.ts'

/**
 * Makes a response carry `decision.headers`. If the handler or other middleware sets the same header, the stricter value wins.
 *
 * The values are merged when the headers are sent, because handlers set theirs until then. From that moment on, no caller can
 * weaken them: a listener of middleware that was mounted before the gate runs after this function, and may still set
 * headers. The package `on-headers` would not help: it calls the listener that was added first as the last one.
 */
export function forceHeaders(response: NodeResponse, headers: RequiredHeaders): void {
  const { writeHead } = response
  let isGuarded = false
  response.writeHead = (...args) => {
    if (!isGuarded) guard(response, headers)
    isGuarded = true
    // Set here and not by `writeHead`, which does not call `setHeader` on every kind of response.
    const isFields = (arg: unknown) => typeof arg === 'object' && arg !== null
    for (const fields of args.filter(isFields)) setAll(response, fields)
    return writeHead.apply(response, args.filter((arg) => !isFields(arg)) as never[])
  }
}

/** Replaces the methods that change headers, and applies the required headers to what is set already. */
function guard(response: NodeResponse, headers: RequiredHeaders): void {
  const { setHeader, appendHeader, removeHeader } = response
  const required = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  response.setHeader = (name, value) => {
    if (isTargetedCacheControl(String(name))) return response
    const wanted = required.get(String(name).toLowerCase())
    return setHeader.call(
      response,
      name,
      wanted === undefined ? value : stricter(name, wanted, textOf(value)),
    )
  }
  response.appendHeader = (name, value) => {
    if (isTargetedCacheControl(String(name))) return response
    if (!required.has(String(name).toLowerCase())) return appendHeader.call(response, name, value)
    const before = textOf(response.getHeader(name))
    return response.setHeader(name, before === undefined ? value : `${before}, ${textOf(value)}`)
  }
  response.removeHeader = (name) => {
    const wanted = required.get(String(name).toLowerCase())
    if (wanted === undefined) removeHeader.call(response, name)
    else setHeader.call(response, name, wanted)
  }
  for (const name of response.getHeaderNames()) if (isTargetedCacheControl(name)) response.removeHeader(name)
  for (const name of Object.keys(headers)) response.setHeader(name, response.getHeader(name) ?? '')
}

/**
 * Sets the headers that `writeHead` was called with: an object, or a list of names and values in which a name can be repeated.
 */
function setAll(response: NodeResponse, fields: object): void {
  const entries = Array.isArray(fields) ? pairsOf(fields) : Object.entries(fields)
  const merged = new Map<string, [name: string, values: string[]]>()
  for (const [name, value] of entries) {
    const [, values] = merged.get(String(name).toLowerCase()) ?? []
    if (values === undefined) merged.set(String(name).toLowerCase(), [name, [value].flat()])
    else values.push(...[value].flat())
  }
  for (const [name, values] of merged.values())
    response.setHeader(name, values.length === 1 ? (values[0] as string) : values)
}

function pairsOf(list: readonly unknown[]): [string, string][] {
  if (Array.isArray(list[0])) return list as [string, string][]
  return Array.from({ length: Math.ceil(list.length / 2) }, (_, index) =>
    list.slice(2 * index, 2 * index + 2),
  ) as [string, string][]
}
