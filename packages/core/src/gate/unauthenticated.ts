/** Decides about a request without credentials: it is a CORS preflight, an anonymous request, or rejected. */

import {
  type AnswerPreflight,
  type CorsMiddleware,
  isPreflight,
  preflightAnswer,
} from '../answer/preflight.ts'
import { assertBoolean } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import type { Passed, Preflight, RequiredHeaders } from '../model/decision.ts'
import type { Rejection } from '../model/rejection.ts'
import type { RequestLike } from '../request/request.ts'
import type { GateSettings } from './options.ts'
import { passed } from './passed.ts'

type Options = Pick<GateSettings, 'allowPreflight' | 'requirement'> & { optional?: boolean | undefined }

export class Unauthenticated {
  /** The CORS middleware that answers preflights, if `allowPreflight` is one. */
  readonly cors: CorsMiddleware | undefined
  readonly #answerPreflight: AnswerPreflight | undefined
  readonly #anonymous: Passed<undefined> | undefined

  /**
   * @param headers what the response to an anonymous request must carry
   * @throws TypeError if an option is invalid, or lets requests pass that cannot meet the `requirement`
   */
  constructor(options: Options, headers: RequiredHeaders) {
    const { allowPreflight, requirement } = options
    this.cors = typeof allowPreflight === 'function' ? allowPreflight : undefined
    this.#answerPreflight = allowPreflight === undefined ? undefined : preflightAnswer(allowPreflight)
    this.#anonymous = assertBoolean('optional', options.optional) ? passed(undefined, headers) : undefined
    for (const name of ['optional', 'allowPreflight'] as const)
      if (requirement !== undefined && options[name] !== undefined && options[name] !== false)
        throw configurationError(
          'CONFLICTING_OPTIONS',
          `"${name}" cannot be combined with "requirement": a request without an identity cannot meet it. Put the requirement on the routes, with auth.authorize(…)`,
        )
  }

  /** @param rejection why the request has no token. Malformed credentials are never anonymous */
  outcome(request: RequestLike, rejection: Rejection): Passed<undefined> | Preflight | Rejection {
    if (rejection.reason !== 'no_credentials') return rejection
    if (this.#answerPreflight !== undefined && isPreflight(request)) return this.#answerPreflight(request)
    return this.#anonymous ?? rejection
  }
}
