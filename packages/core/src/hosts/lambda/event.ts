/** Events of AWS Lambda as requests: what API Gateway (REST and HTTP), load balancers and function URLs send. */

import { getOwn, isObject } from '../../lib/json.ts'
import { FORM_TOO_LONG, MAX_FORM, type UnreadableForm } from '../../request/form.ts'
import type { RequestLike } from '../../request/request.ts'

/** What is read of an event: payload formats 1.0 and 2.0 of API Gateway, events of load balancers and of function URLs. */
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
  /** Each kind of event has another one. */
  readonly requestContext?: unknown
}

export type Fields = Readonly<Record<string, string | undefined>>
type Lists = Readonly<Record<string, string[] | undefined>>

/** The view of an event, for `gate.authenticate`. Whatever is no event has no credentials. */
export function fromLambdaEvent(event: LambdaEvent): RequestLike {
  return new LambdaRequestLike(isObject(event as unknown) ? event : {})
}

class LambdaRequestLike implements RequestLike {
  readonly #event: LambdaEvent

  constructor(event: LambdaEvent) {
    this.#event = event
  }

  /** API Gateway keeps the case in which a REST client sent a name, so that one name may be there in several. */
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

  /** API Gateway and function URLs take nothing but https; a load balancer says itself what it took. */
  get secure(): boolean {
    return !isOfBalancer(this.#event) || this.header('x-forwarded-proto') === 'https'
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

  /** A load balancer gives the query as it came, API Gateway (REST) decoded. */
  #query(): string {
    const { multiValueQueryStringParameters: lists, queryStringParameters: single } = this.#event
    const pairs = Object.entries(lists ?? single ?? {}).flatMap(([name, value]) =>
      [value].flat().map((item) => [name, String(item ?? '')] as const),
    )
    if (isOfBalancer(this.#event)) return pairs.map((pair) => pair.join('=')).join('&')
    return new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, value])).toString()
  }
}

/** The values of all members that are called so, in any case; what is no text among them is seen as well, and refused. */
function valuesOf(fields: Fields | Lists | null | undefined, name: string): readonly unknown[] {
  if (!isObject(fields as unknown)) return []
  return Object.entries(fields as Fields | Lists)
    .filter(([key, value]) => value !== undefined && value !== null && key.toLowerCase() === name)
    .flatMap(([, value]): unknown => value)
}

/** HTTP APIs put the name of a stage before the path that was asked for. */
function withoutStage(rawPath: string, stage: unknown): string {
  if (typeof stage !== 'string' || stage === '$default' || !`${rawPath}/`.startsWith(`/${stage}/`))
    return rawPath
  return rawPath.slice(stage.length + 1) || '/'
}

function contextOf(event: LambdaEvent | null | undefined): Record<string, unknown> {
  const requestContext: unknown = event?.requestContext
  return isObject(requestContext) ? requestContext : {}
}

export function isOfBalancer(event: LambdaEvent): boolean {
  return getOwn(contextOf(event), 'elb') !== undefined
}

/** Returns `undefined` if it is not base64. */
function decoded(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
