/** Recognizes how a token was damaged on its way from the token endpoint to the request, by the shape of its text. */

import type { Mistake } from './remedies.ts'

/** Texts that stand for a token which is not there. */
const PLACEHOLDER =
  /^(?:undefined|null|none|nil|nan|false|true|\[object \w+\]|<[^<>]*>|\{\{?[\w .-]*\}?\}|\$\{?\w+\}?|%\w+%|your[-_ ]?(?:access[-_ ]?)?token(?:[-_ ]?here)?|token|access_token|xxx+)$/i

/** Shapes of texts that are no token, each with its cause. The first one that matches is named. */
const SHAPES: readonly (readonly [pattern: RegExp, cause: string, fix: string])[] = [
  [
    PLACEHOLDER,
    'The text is a placeholder instead of a token: a variable is not set, or a template was not filled in.',
    'Check the variable that holds the token, and that the token request succeeded before.',
  ],
  [
    /^bearer[\s:]/i,
    'There is the word "Bearer" before the token. Most client libraries add it themselves, so in the header it comes twice.',
    'Pass only the token, without "Bearer".',
  ],
  [
    /^[[{]/,
    'The text is JSON, such as the whole response of the token endpoint.',
    'Send only the value of its member "access_token".',
  ],
  [
    /^["'`\u2018\u201c]|["'`\u2019\u201d]$/,
    'There are quotation marks around the token.',
    'Remove them: they belong to a shell, a JSON text or an .env file, not to the token.',
  ],
  [
    /\u2026|\.\.\.$/,
    'The token was shortened for display: an ellipsis stands for the rest.',
    'Copy the whole token from its source, not from a log or a table.',
  ],
  [
    /[\r\n]/,
    'There is a line break in the token, as terminals and mail programs insert it into long lines.',
    'Join the lines. For a file, remove the line break at its end.',
  ],
  [
    /%[\da-f]{2}/i,
    'The token is URL-encoded: it contains sequences such as %2E.',
    'Decode it once, or do not encode it: a header needs no URL encoding.',
  ],
  [/[ \t]/, 'There is a space in the token.', 'Remove the space and the text after it.'],
  [
    /=[^=]/,
    'There is a "=" within the token: its parts are in base64 with padding, because some code decoded and encoded them again.',
    'Send the token as the token endpoint returned it: base64url without padding (RFC 7515 §2).',
  ],
  [/[,;]$/, 'There is a comma or a semicolon after the token.', 'Remove it.'],
  [
    /[^ -~]/,
    'There is a character in the token that cannot be seen, or is not ASCII.',
    'Copy the token again as plain text, for example without a byte order mark.',
  ],
]

/** Recognizes a text that cannot be a token of any kind. `undefined` if nothing is known about it. */
export function textMistake(text: string): Mistake | undefined {
  const found = SHAPES.find(([pattern]) => pattern.test(text))
  return found && { cause: found[1], fix: found[2] }
}

/** A JWT begins with the base64url of `{"`. */
const JWT_BEGINNING = /^ey[A-Z]/

/** Whether a text looks like a JWT, whole or not. */
export function looksLikeJwt(text: string): boolean {
  return JWT_BEGINNING.test(text) && text.includes('.')
}

/** Recognizes a text that has the syntax of a token, but is no signed JWT. `undefined` if nothing is known about it. */
export function jwtTextMistake(text: string): Mistake | undefined {
  const segments = text.split('.')
  const shape = textMistake(text)
  if (shape !== undefined) return shape
  if (text.includes('~'))
    return {
      cause: 'The token is an SD-JWT: a credential of a wallet, not an access token.',
      fix: 'Send the access token of the token response.',
    }
  if (!JWT_BEGINNING.test(text)) return segments.length === 3 ? undefined : OPAQUE
  if (segments.length < 3) return TRUNCATED
  if (segments.length === 3 && segments[2] === '')
    return {
      cause: 'The token has no signature: it was cut off, or made for a test with "alg": "none".',
      fix: 'Send a token that the issuer signed.',
    }
  if (segments.length > 3)
    return { cause: `The token has ${segments.length} parts, and a signed JWT has three.`, fix: COPY }
  if (/[+/=]/.test(text))
    return {
      cause: 'The token is in base64, with "+", "/" or "=": some code decoded and encoded it again.',
      fix: 'Send the token as the token endpoint returned it: base64url without padding (RFC 7515 §2).',
    }
  return undefined
}

const COPY = 'Copy the whole token again, and check that no field or column limits its length.'

const OPAQUE: Mistake = {
  cause: 'The token is opaque: it is no JWT, and only its issuer can read it.',
  fix: 'Verify such tokens with introspection({ … }) or opaque({ … }), or make the issuer send JWTs: many do so only if the client names this API when it requests the token, such as with the parameter "resource" (RFC 8707) or "audience" (Auth0).',
}

const TRUNCATED: Mistake = { cause: 'The token was cut off: its end is missing.', fix: COPY }
