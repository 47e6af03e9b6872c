/** Form bodies that cannot be searched for a token because of the client (RFC 6750 §2.2). */

import type { Rejection } from '../model/rejection.ts'

/** The longest form body that is searched for a token, in bytes. */
export const MAX_FORM = 262_144

/** The result of `form()` if the client is at fault. A class, because a client could send fields that look like a rejection. */
export class UnreadableForm implements Rejection {
  readonly reason: 'credentials_too_long' | 'malformed_credentials'
  readonly detail: string

  constructor(reason: UnreadableForm['reason'], detail: string) {
    this.reason = reason
    this.detail = detail
  }
}

export const FORM_TOO_LONG: UnreadableForm = new UnreadableForm(
  'credentials_too_long',
  `the form is longer than ${MAX_FORM} bytes`,
)
export const FORM_ABORTED: UnreadableForm = new UnreadableForm(
  'malformed_credentials',
  'the client did not finish the form',
)
export const FORM_LATE: UnreadableForm = new UnreadableForm(
  'malformed_credentials',
  'the client did not finish the form in time',
)
