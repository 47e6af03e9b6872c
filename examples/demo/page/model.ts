/** Defines what the page and its server send each other. */

import type { Explanation } from '@bearergate/core/adapter'
import type { ServerState } from '../authorization-server.ts'
import type { Second } from '../traffic.ts'
import type { Kind } from './tokens.ts'

export type Method = 'GET' | 'POST'

/** The request that the editor describes. The token is not one of its headers. */
export interface Draft {
  readonly host: string
  readonly method: Method
  readonly path: string
  readonly token: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** A request and its response as they were sent, and why the answer is what it is. */
export interface Exchange {
  readonly request: string
  readonly response: string
  readonly status: number
  /** The parameters of `WWW-Authenticate`, or `undefined` if there is none. */
  readonly challenge: readonly (readonly [name: string, value: string])[] | undefined
  readonly why: string
  readonly fix: string | undefined
  readonly rfc: string
  /** The body, if it is JSON. */
  readonly json: unknown
}

export interface Snippet {
  readonly name: string
  readonly code: string
}

export interface State {
  readonly hosts: readonly { readonly name: string; readonly origin: string }[]
  readonly kinds: readonly (readonly [kind: Kind, words: string])[]
  readonly issuer: string
  readonly rival: string
}

/** The state of the authorization server, and of the clock. */
export interface ServerReport {
  readonly state: ServerState
  readonly keys: readonly string[]
  /** How far the clocks of this process are ahead. In seconds. */
  readonly timePassed: number
  /** How often the key set was requested: by bearergate, and by the other package. */
  readonly keyRequests: readonly [own: number, rival: number]
}

export interface Live extends Second, ServerReport {}

export type Switch = 'up' | 'stopped' | 'hanging' | 'rotate' | 'remove' | 'pass'

export type { Explanation }
