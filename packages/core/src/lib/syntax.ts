/** The grammar that several RFCs share, once. */

/** RFC 9110 §5.6.2: a character of a token, such as a header field's name. */
export const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"

const FIELD_NAME = new RegExp(`^${TCHAR}+$`)

/** Whether a text can be the name of a header field, a method, a cookie or a scheme (RFC 9110 §5.6.2). */
export function isFieldName(value: string): boolean {
  return FIELD_NAME.test(value)
}
