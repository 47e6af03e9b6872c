/** Recognizes why the `aud` of a token has no configured audience. */

import { MAX_SHOWN, quoted, quotedList } from '../../lib/received.ts'
import type { Mistake } from '../../observe/remedies.ts'
import { CLIENT_CLAIMS, nameOf, type RawClaims } from '../claims/values.ts'
import { nearestMiss } from './near-miss.ts'

/** Audiences that are no API of the reader, each with what they mean. */
const FOREIGN_AUDIENCES: readonly (readonly [pattern: RegExp, cause: string, fix: string])[] = [
  [
    /^account$/,
    'The token has only the audience "account", which Keycloak writes for its own account console.',
    'Add an audience mapper with this API to the client or to a client scope in Keycloak.',
  ],
  [
    /\/userinfo$/,
    'The token is for the UserInfo endpoint of the issuer: the client did not name this API when it logged in.',
    'Pass the audience of this API in the authorization request: "audience" for Auth0, "resource" by RFC 8707.',
  ],
  [
    /^(?:https:\/\/graph\.microsoft\.com\/?|00000003-0000-0000-c000-000000000000)$/,
    'The token is for Microsoft Graph: the client requested no scope of this API.',
    'Request a scope of this API, such as "api://<application id>/.default".',
  ],
  [
    /^(?:api:\/\/default)$/,
    'The token is for the default audience of Okta.',
    'Use the audience of the custom authorization server of this API, or configure "api://default".',
  ],
]

/** Explains an `aud` without a configured audience. */
export function audienceMistake(aud: readonly string[], ours: readonly string[], claims: RawClaims): Mistake {
  const allowed = quotedList(ours, MAX_SHOWN)
  if (aud.length === 0)
    return {
      cause: 'The token does not say for which API it is: it has no "aud".',
      fix: `Make the issuer write ${allowed} into "aud". If it cannot, such as Amazon Cognito, use a preset or requiredClaims, and audience: null.`,
    }
  const near = nearestMiss(aud, ours)
  if (near !== undefined)
    return {
      cause: `The "aud" of the token and the option "audience" differ ${near.difference} only. They are compared exactly.`,
      fix: `Set audience: ${quoted(near.value, MAX_SHOWN)}, as the token has it.`,
    }
  const uri = aud.find((one) => ours.some((our) => one === `api://${our}` || our === `api://${one}`))
  if (uri !== undefined)
    return {
      cause:
        'The token and the option "audience" name the same application of Microsoft Entra ID, one by its id and one by its URI: version 2.0 writes the id, version 1.0 may write the URI.',
      fix: `Set audience: ${quoted(uri, MAX_SHOWN)}, or a list of both.`,
    }
  const client = CLIENT_CLAIMS.map((name) => nameOf(claims, name)).find(
    (name) => name !== undefined && aud.includes(name),
  )
  if (client !== undefined)
    return {
      cause:
        'The audience of the token is its own client: it is an ID token, or the client did not request a token for this API.',
      fix: `Send the access token, and request it for ${allowed}: with "resource" (RFC 8707), "audience" (Auth0), or a scope of this API.`,
    }
  if (CLIENT_CLAIMS.some((name) => ours.includes(nameOf(claims, name) ?? '')))
    return {
      cause: 'The option "audience" is the id of the client, and a token is for an API.',
      fix: `Set audience to the identifier of this API. The token has ${quotedList(aud, MAX_SHOWN)}.`,
    }
  if (looksLikeIdToken(claims))
    return {
      cause:
        'The token looks like an ID token: it describes a user, and has neither a scope nor a client. Its audience is the client that the user logged in to.',
      fix: `Send the value of "access_token" of the token response, and request it for ${allowed}.`,
    }
  const foreign = FOREIGN_AUDIENCES.find(([pattern]) => aud.some((one) => pattern.test(one)))
  if (foreign !== undefined) return { cause: foreign[1], fix: foreign[2] }
  return {
    cause: 'The token is for another API.',
    fix: `Request a token for ${allowed}. If this API has several names, list all of them in "audience".`,
  }
}

const PROFILE = [
  'name',
  'given_name',
  'family_name',
  'nickname',
  'picture',
  'email',
  'email_verified',
  'preferred_username',
]
const ACCESS = ['scope', 'scp', 'permissions', 'roles', ...CLIENT_CLAIMS]

/** Whether a token has claims about a user, and none that only access tokens have. */
function looksLikeIdToken(claims: RawClaims): boolean {
  const has = (name: string) => Object.hasOwn(claims, name)
  return PROFILE.some(has) && !ACCESS.some(has)
}
