/** Reads Lambda events of API Gateway (REST and HTTP), load balancers and function URLs as requests. */

import { getOwn, isObject } from '../../lib/json.ts'
import { FORM_TOO_LONG, MAX_FORM, type UnreadableForm } from '../../request/form.ts'
import type { RequestLike } from '../../request/request.ts'

/** The members of an event that are read: payload formats 1.0 and 2.0 of API Gateway, load balancers and function URLs. */
export interface LambdaEvent {
  readonly version?: string | undefined
  readonly headers?: Fields | null | undefined
  readonly multiValueHeaders?: Lists | null | undefined
  readonly httpMethod?: string | undefined
  readonly path?: string | undefined
  readonly queryStringParameters?: Fields | null | undefined
  readonly multiValueQueryStringParameters?: Lists | null | undefined
  readonly rawPath?: string | undefined
  readonly rawQueryString?: string | undefined
  readonly cookies?: readonly string[] | undefined
  readonly body?: string | null | undefined
  readonly isBase64Encoded?: boolean | undefined
  /** Differs by kind of event. */
  readonly requestContext?: unknown
}

export type Fields = Readonly<Record<string, string | undefined>>
type Lists = Readonly<Record<string, string[] | undefined>>

/**
 * Converts an event for `gate.authenticate`. A value that is not an event has no credentials.
 *
 * @example
 * const decision = await gate.authenticate(fromLambdaEvent(event))
 */
export function fromLambdaEvent(event: LambdaEvent): RequestLike {
  return new LambdaRequestLike(isObject(event as unknown) ? event : {})
}

/** Presents an event as a `RequestLike`. The kinds of events name the same things differently. */
class LambdaRequestLike implements RequestLike {
  readonly #event: LambdaEvent

  constructor(event: LambdaEvent) {
    this.#event = event
  }

  /**
   * Returns all lines of a field. REST APIs keep the case of names, so one field may appear under several names that differ
   * only in case.
   */
  header(name: string): string | readonly string[] | undefined {
    const { multiValueHeaders, headers, cookies } = this.#event
    // Some emulators send an empty array if there are no cookies.
    if (name === 'cookie' && Array.isArray(cookies) && cookies.length > 0) return cookies.join('; ')
    const lists = valuesOf(multiValueHeaders, name)
    const values = (lists.length > 0 ? lists : valuesOf(headers, name)) as string[]
    const [only] = values
    // A line that is an array stays in the list: by itself it would be read as a list of lines.
    return values.length > 1 || Array.isArray(only) ? values : only
  }

  get method(): string | undefined {
    const http: unknown = getOwn(contextOf(this.#event), 'http')
    return this.#event.httpMethod ?? (isObject(http) ? (http.method as string) : undefined)
  }

  get url(): string {
    const { rawPath, rawQueryString = '', path = '/' } = this.#event
    if (typeof rawPath === 'string') {
      const pathname = withoutStage(rawPath, getOwn(contextOf(this.#event), 'stage'))
      return rawQueryString === '' ? pathname : `${pathname}?${rawQueryString}`
    }
    const query = this.#query()
    return query === '' ? path : `${path}?${query}`
  }

  /**
   * API Gateway and function URLs accept only https. A load balancer states the scheme in `X-Forwarded-Proto`. Any other event
   * does not count as secure, such as one of VPC Lattice, whose listeners may be http.
   */
  get secure(): boolean {
    if (isOfBalancer(this.#event)) return this.header('x-forwarded-proto') === 'https'
    return isOfApiGateway(this.#event)
  }

  get hasBody(): boolean {
    const { body } = this.#event
    return typeof body === 'string' && body !== ''
  }

  form(): URLSearchParams | UnreadableForm | undefined {
    const { body, isBase64Encoded } = this.#event
    if (typeof body !== 'string') return undefined
    // Base64 is a third longer than the form.
    if (body.length > 2 * MAX_FORM) return FORM_TOO_LONG
    const bytes = isBase64Encoded === true ? decoded(body) : new TextEncoder().encode(body)
    if (bytes === undefined) return undefined
    if (bytes.length > MAX_FORM) return FORM_TOO_LONG
    return new URLSearchParams(new TextDecoder().decode(bytes))
  }

  /** Builds the query string. A load balancer passes it encoded, REST APIs pass it decoded. */
  #query(): string {
    const { multiValueQueryStringParameters: lists, queryStringParameters: single } = this.#event
    const pairs = Object.entries(lists ?? single ?? {}).flatMap(([name, value]) =>
      [value].flat().map((item) => [name, String(item ?? '')] as const),
    )
    if (isOfBalancer(this.#event)) return pairs.map((pair) => pair.join('=')).join('&')
    return new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, value])).toString()
  }
}

/**
 * Returns the values of all members with this name, in any case. Values that are not strings are kept, so that they are
 * rejected.
 */
function valuesOf(fields: Fields | Lists | null | undefined, name: string): readonly unknown[] {
  if (!isObject(fields as unknown)) return []
  return Object.entries(fields as Fields | Lists)
    .filter(([key, value]) => value !== undefined && value !== null && key.toLowerCase() === name)
    .flatMap(([, value]): unknown => value)
}

/** Removes the stage, which HTTP APIs put before the path. */
function withoutStage(rawPath: string, stage: unknown): string {
  if (typeof stage !== 'string' || stage === '$default' || !`${rawPath}/`.startsWith(`/${stage}/`))
    return rawPath
  return rawPath.slice(stage.length + 1) || '/'
}

/** Returns the member `requestContext`, by which the kinds of events differ. */
function contextOf(event: LambdaEvent | null | undefined): Record<string, unknown> {
  const requestContext: unknown = event?.requestContext
  return isObject(requestContext) ? requestContext : {}
}

/** Whether an event comes from a load balancer. */
export function isOfBalancer(event: LambdaEvent): boolean {
  return getOwn(contextOf(event), 'elb') !== undefined
}

/** Members that only events of API Gateway and function URLs have, and only those of authorizers. */
const OF_API_GATEWAY = ['apiId', 'stage', 'http']
const OF_AUTHORIZERS = ['methodArn', 'routeArn']

/** Whether an event comes from API Gateway or a function URL. */
function isOfApiGateway(event: LambdaEvent): boolean {
  const context = contextOf(event)
  return (
    OF_API_GATEWAY.some((name) => getOwn(context, name) !== undefined) ||
    OF_AUTHORIZERS.some((name) => getOwn(event, name) !== undefined)
  )
}

/** Returns `undefined` if it is not base64. */
function decoded(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
