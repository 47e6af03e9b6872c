/** Recognizes which other kind of token was sent instead of an access token. */

import { getOwn } from '../../lib/json.ts'
import type { Mistake } from '../../observe/remedies.ts'
import type { RawClaims } from '../claims/values.ts'

/** Explains a token of another kind. */
export function kindMistake(header: RawClaims, claims: RawClaims, isStrict: boolean): Mistake | undefined {
  const typ = text(header, 'typ')
  const named = ['typ', 'token_use', 'token_type', 'type'].map((name) => text(claims, name))
  const isNamed = (pattern: RegExp) => pattern.test(typ) || named.some((name) => pattern.test(name))
  if (isNamed(/^refresh|^offline/))
    return {
      cause: 'This is a refresh token.',
      fix: 'Send the value of "access_token" of the token response, not "refresh_token".',
    }
  if (isNamed(/^logout/) || Object.hasOwn(claims, 'events'))
    return {
      cause: 'This is a logout token or a security event, which the issuer sends to clients.',
      fix: 'Send the access token. Logout tokens belong to the endpoint for back-channel logout.',
    }
  if (/dpop\+jwt/.test(typ) || Object.hasOwn(claims, 'htu'))
    return {
      cause: 'This is a DPoP proof, which belongs into the header "DPoP".',
      fix: 'Send the access token in "Authorization".',
    }
  const mark = ['nonce', 'at_hash', 'c_hash', 's_hash'].find((name) => Object.hasOwn(claims, name))
  if (mark !== undefined || isNamed(/^id(?:[_-]token)?$/))
    return {
      cause: `This is an ID token${mark === undefined ? '' : `, as its claim "${mark}" shows`}: it tells the client who logged in, and is no key to an API.`,
      fix: `Send the value of "access_token" of the token response, not "id_token".${mark === undefined ? '' : ` Only if the access tokens of this issuer have "${mark}" as well, set "allowIdTokenClaims", and read its risk first.`}`,
    }
  if (named.includes('dpop'))
    return {
      cause: 'The token is meant for DPoP, but is bound to no key.',
      fix: 'Configure the client at the issuer for DPoP or for Bearer, not for half of each.',
    }
  return isStrict
    ? {
        cause: 'The "typ" of the token is not "at+jwt": its issuer does not follow RFC 9068.',
        fix: "Remove profile: 'rfc9068', or turn on tokens of RFC 9068 at the issuer.",
      }
    : undefined
}

function text(object: RawClaims, name: string): string {
  const value = getOwn(object, name)
  return typeof value === 'string' ? value.toLowerCase() : ''
}
