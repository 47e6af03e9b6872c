/** Recognizes why the `iss` of a token is not the configured issuer. */

import { MAX_SHOWN, quoted, quotedList } from '../../lib/received.ts'
import type { Mistake } from '../../observe/remedies.ts'
import { nearestMiss } from './near-miss.ts'

const TENANT = '([\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12})'
const ENTRA_V1 = new RegExp(`^https://sts\\.windows\\.net/${TENANT}/$`)
const ENTRA_V2 = new RegExp(`^https://login\\.microsoftonline\\.com/${TENANT}/v2\\.0$`)

const bare = (text: string) => text.replace(/\/$/, '')

/** Explains an `iss` that is not one of the configured issuers. */
export function issuerMistake(iss: unknown, ours: readonly string[]): Mistake {
  if (typeof iss !== 'string')
    return {
      cause: iss === undefined ? 'The token has no "iss".' : 'The "iss" of the token is not a string.',
      fix: 'Make the issuer write its URL into "iss". For tokens without "iss", set issuer: null and configure the keys.',
    }
  const near = nearestMiss([iss], ours)
  if (near !== undefined)
    return {
      cause: `The "iss" of the token and the option "issuer" differ ${near.difference} only. They are compared exactly.`,
      fix: `Set issuer: ${quoted(iss, MAX_SHOWN)}, as the token has it.`,
    }
  return (
    entraMistake(iss, ours) ??
    hostMistake(iss, ours) ?? {
      cause: 'The token comes from another issuer than the one that this gate trusts.',
      fix: `Get the token from ${quotedList(ours, MAX_SHOWN) || 'a configured issuer'}. If you trust ${quoted(iss, MAX_SHOWN)} too, configure both with multiIssuerJwt.`,
    }
  )
}

/** Tells the versions and the tenants of Microsoft Entra ID apart. */
function entraMistake(iss: string, ours: readonly string[]): Mistake | undefined {
  const [v1, v2] = [ENTRA_V1.exec(iss), ENTRA_V2.exec(iss)]
  const tenant = (v1 ?? v2)?.[1]
  if (tenant === undefined) return undefined
  const other = ours.find((issuer) => (v1 ? ENTRA_V2 : ENTRA_V1).test(issuer))
  if (other !== undefined)
    return {
      cause: `The token has version ${v1 ? '1.0' : '2.0'} of Microsoft Entra ID, and the gate expects version ${v1 ? '2.0' : '1.0'}. The app registration of the API decides which version clients get.${other.includes(tenant) ? '' : ' It also comes from another tenant.'}`,
      fix: `Set "requestedAccessTokenVersion" of the app registration to ${v1 ? '2' : '1'}, or configure version: ${v1 ? 1 : 2} with the preset entra().`,
    }
  const isPlaceholder = ours.some((issuer) =>
    /\/(?:common|organizations|consumers|\{tenantid\})(?:\/|$)/.test(issuer),
  )
  return {
    cause: isPlaceholder
      ? 'The option "issuer" names all tenants of Microsoft Entra ID, and a token names one.'
      : 'The token comes from another tenant of Microsoft Entra ID.',
    fix: `If you trust that tenant, use the preset entra(), and add "${tenant}" to the list of its option "tenant".`,
  }
}

/** Finds out whether only the host, or only the path of the issuer differs. */
function hostMistake(iss: string, ours: readonly string[]): Mistake | undefined {
  const actual = urlOf(iss)
  if (actual === undefined) return undefined
  for (const expected of ours.map(urlOf)) {
    if (expected === undefined) continue
    const isSamePath = bare(actual.pathname) === bare(expected.pathname)
    // Not for two public hosts: those are two issuers, such as the servers for development and production.
    const isInternal = [actual, expected].some(({ hostname }) => INTERNAL.test(hostname))
    if (isSamePath && isInternal && bare(actual.pathname) !== '')
      return {
        cause: `The same issuer may be known under two hosts: the token says ${quoted(actual.host, MAX_SHOWN)}, and the option "issuer" says ${quoted(expected.host, MAX_SHOWN)}.`,
        fix: 'An issuer must have one URL for clients and for the API. If both are the same server, set its public host name at the issuer, or configure "issuer" as the token has it and "jwksUri" as the API reaches it.',
      }
    if (isSamePath && isLocal(actual.hostname) && isLocal(expected.hostname))
      return {
        cause:
          'The token and the option "issuer" name this machine in different ways, such as localhost and 127.0.0.1.',
        fix: `Set issuer: ${quoted(iss, MAX_SHOWN)}, or use the same name everywhere.`,
      }
    if (actual.host === expected.host)
      return {
        cause:
          'The token comes from the same server, but from another realm, tenant or authorization server on it: the path differs.',
        fix: `Get the token from the realm or tenant of this gate, or set issuer: ${quoted(iss, MAX_SHOWN)}.`,
      }
  }
  return undefined
}

/** Names of this machine, of containers, and of private networks. */
const INTERNAL =
  /^(?:localhost|[^.:]+|127\..*|10\..*|192\.168\..*|\[.*\]|.*\.(?:local|internal|svc|lan|test))$/

function isLocal(host: string): boolean {
  return /^(?:localhost|127\.|\[::1\]|0\.0\.0\.0)/.test(host)
}

function urlOf(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
