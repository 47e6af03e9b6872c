/** Recognizes why a request has no usable token: where the token is instead, and how it was damaged. */

import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import type { Mistake } from '../observe/remedies.ts'
import { looksLikeJwt, textMistake } from '../observe/text-mistakes.ts'
import { type RequestLike, requestTarget } from '../request/request.ts'
import type { TokenFinder } from './token-finder.ts'

/** @param places the header field in which the gate looks first, and whether it looks in `Authorization` only */
export function credentialsMistake(
  request: RequestLike,
  { reason }: Rejection,
  { field, isUsual }: Pick<TokenFinder<Identity<unknown>>, 'field' | 'isUsual'>,
): Mistake | undefined {
  const lines = field === undefined ? undefined : linesOf(request, field)
  if (reason === 'multiple_credentials')
    return lines !== undefined && lines.length > 1
      ? {
          cause:
            'The request has several lines of the header field, such as one of a proxy and one of the client.',
          fix: 'Remove one of them: which one counts must not be left to chance.',
        }
      : undefined
  const value = lines?.[0]?.trim() ?? ''
  if (value === '') return elsewhere(request, field, isUsual)
  const [, scheme = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(value) ?? []
  if (reason === 'malformed_credentials') return malformed(scheme, rest, value)
  if (reason !== 'no_credentials') return undefined
  if (looksLikeJwt(scheme))
    return {
      cause: 'The header has the token without the scheme "Bearer".',
      fix: 'Write "Authorization: Bearer <token>".',
    }
  if (/^bearer\W/i.test(scheme) || scheme.toLowerCase() === 'token') return WRONG_SCHEME
  return {
    cause: 'The header has credentials of another scheme, such as Basic, and no bearer token.',
    fix: 'Write "Authorization: Bearer <token>". If a proxy adds its own credentials, make it use another field.',
  }
}

const WRONG_SCHEME: Mistake = {
  cause: 'The scheme of the header is not exactly "Bearer".',
  fix: 'Write "Authorization: Bearer <token>", with one space and without a colon.',
}

function malformed(scheme: string, rest: string, value: string): Mistake | undefined {
  if (/^bearer\W/i.test(scheme)) return WRONG_SCHEME
  if (scheme.toLowerCase() !== 'bearer')
    return (
      textMistake(value) ?? {
        cause: 'The value of the header has no scheme, and is no token.',
        fix: 'Write "Authorization: Bearer <token>".',
      }
    )
  if (rest === '')
    return {
      cause: 'The scheme "Bearer" stands alone: the variable with the token is empty.',
      fix: 'Check the variable that holds the token, and that the token request succeeded before.',
    }
  return textMistake(rest)
}

/** Finds out whether a request has its token where the gate does not look. */
function elsewhere(request: RequestLike, field: string | undefined, isUsual: boolean): Mistake | undefined {
  const [, query] = requestTarget(request)
  if (isUsual && new URLSearchParams(query).has('access_token'))
    return {
      cause: 'The token is in the query of the URL, where the gate does not look, because URLs are logged.',
      fix: 'Send it in the header. If clients can send nothing else, set tokenFrom: { query: true }.',
    }
  if (field !== 'authorization' && linesOf(request, 'authorization') !== undefined)
    return {
      cause: 'The token is in "Authorization", and the gate is configured to look elsewhere.',
      fix: 'Set tokenFrom: { header: true, … }, or send the token where the gate looks.',
    }
  if (
    isUsual &&
    /(?:^|;\s*)(?:access_?token|token|jwt|session)=/i.test(String(linesOf(request, 'cookie') ?? ''))
  )
    return {
      cause: 'The request has a cookie that may contain the token, and the gate reads no cookie.',
      fix: 'Send the token in the header, or set tokenFrom: { cookie: "…" } and protect against cross-site requests.',
    }
  return undefined
}

function linesOf(request: RequestLike, field: string): readonly string[] | undefined {
  const value: unknown = request.header(field)
  if (typeof value === 'string') return [value]
  return Array.isArray(value) && value.every((line) => typeof line === 'string') ? value : undefined
}
