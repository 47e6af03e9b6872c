/** Defines the results for form bodies that cannot be searched for a token because of the client (RFC 6750 §2.2). */

import type { Rejection } from '../model/rejection.ts'

/**
 * The longest form body that is searched for a token, in bytes. Larger forms are usually uploads, which send it in a header.
 */
export const MAX_FORM = 262_144

/**
 * The result of `form()` if the client is at fault. A class, so that `instanceof` tells it from parsed fields: a client could
 * send a form with a field named `reason`.
 */
export class UnreadableForm implements Rejection {
  readonly reason: 'credentials_too_long' | 'malformed_credentials'
  readonly detail: string

  constructor(reason: UnreadableForm['reason'], detail: string) {
    this.reason = reason
    this.detail = detail
  }
}

/** The body has more than `MAX_FORM` bytes. */
export const FORM_TOO_LONG: UnreadableForm = new UnreadableForm(
  'credentials_too_long',
  `the form is longer than ${MAX_FORM} bytes`,
)
/** The connection was closed before the end of the body. */
export const FORM_ABORTED: UnreadableForm = new UnreadableForm(
  'malformed_credentials',
  'the client did not finish the form',
)
/** The body did not arrive within the deadline. */
export const FORM_LATE: UnreadableForm = new UnreadableForm(
  'malformed_credentials',
  'the client did not finish the form in time',
)
