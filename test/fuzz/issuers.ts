/** Texts that look like issuers, and which of them are canonical, read character by character (RFC 3986, RFC 5952, RFC 8414 §2). */

import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const DIGITS = '0123456789'
const HEX = new Set(`${DIGITS}ABCDEFabcdef`)
const HOST = new Set(`${LETTERS}${DIGITS}-._~`)
const PATH = new Set(`${LETTERS}${LETTERS.toUpperCase()}${DIGITS}-._~!$&'()*+,;=:@`)

export interface Canonical {
  readonly scheme: 'https' | 'http'
  /** Host and port, as they stand in the text. */
  readonly authority: string
  /** Without the slash at its end. */
  readonly path: string
}

/** The parts of a canonical issuer. Any other text is `undefined`. */
export function readIssuer(text: string): Canonical | undefined {
  const scheme = text.startsWith('https://') ? 'https' : text.startsWith('http://') ? 'http' : undefined
  if (scheme === undefined) return undefined
  const rest = text.slice(scheme.length + 3)
  const slash = rest.indexOf('/')
  const authority = slash === -1 ? rest : rest.slice(0, slash)
  const path = slash === -1 ? '' : rest.slice(slash)
  const host = readHost(authority, scheme)
  if (host === undefined || !isPath(path)) return undefined
  if (
    scheme === 'http' &&
    !(host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.')))
  )
    return undefined
  return { scheme, authority, path: path.endsWith('/') ? path.slice(0, -1) : path }
}

function readHost(authority: string, scheme: string): string | undefined {
  const end = authority.startsWith('[') ? authority.indexOf(']') + 1 : authority.search(/:|$/)
  const [host, port] = [authority.slice(0, end), authority.slice(end)]
  if (port !== '' && !isPort(port.slice(1), scheme)) return undefined
  if (port !== '' && port[0] !== ':') return undefined
  if (host.startsWith('[')) return isCanonicalIpv6(host.slice(1, -1)) ? host : undefined
  if (host === '' || ![...host].every((character) => HOST.has(character))) return undefined
  const labels = host.split('.')
  const last = labels.at(-1) === '' ? labels.at(-2) : labels.at(-1)
  // A host whose last label is a number is an IPv4 address in some spelling: only one is canonical.
  const isNumber = last !== undefined && last !== '' && (isDigits(last) || /^0x[\da-f]*$/.test(last))
  return isNumber && !isIPv4(host) ? undefined : host
}

function isDigits(text: string): boolean {
  return text !== '' && [...text].every((character) => DIGITS.includes(character))
}

function isPort(text: string, scheme: string): boolean {
  return (
    isDigits(text) &&
    String(Number(text)) === text &&
    Number(text) < 65_536 &&
    Number(text) !== (scheme === 'https' ? 443 : 80)
  )
}

/** RFC 5952, with IPv4 in hexadecimal, as URLs have it. */
function isCanonicalIpv6(text: string): boolean {
  if (!isIPv6(text) || text.includes('%') || text.includes('.') || text !== text.toLowerCase()) return false
  const [head = '', tail] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const all =
    tail === undefined
      ? groups(head)
      : [...groups(head), ...Array(8 - groups(head).length - groups(tail).length).fill('0'), ...groups(tail)]
  if (all.some((group) => group.length > 1 && group.startsWith('0'))) return false
  // The first of the longest runs of two zeros or more is left out.
  let [start, length] = [-1, 1]
  for (let from = 0; from < 8; from += 1) {
    let to = from
    while (all[to] === '0') to += 1
    if (to - from > length) [start, length] = [from, to - from]
  }
  if (start === -1) return text === all.join(':')
  return text === `${all.slice(0, start).join(':')}::${all.slice(start + length).join(':')}`
}

function isPath(path: string): boolean {
  for (const segment of path.split('/')) {
    if (/^(?:\.|%2e){1,2}$/i.test(segment)) return false
    for (let at = 0; at < segment.length; at += 1) {
      if (PATH.has(segment.charAt(at))) continue
      if (segment[at] !== '%' || !HEX.has(segment.charAt(at + 1)) || !HEX.has(segment.charAt(at + 2)))
        return false
      at += 2
    }
  }
  return !/\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(?:\/|$)/.test(path)
}

const GOOD = [
  'https://id.example.com',
  'https://id.example.com/',
  'https://id.example.com:8443/realms/acme',
  'https://acme.okta.com/oauth2/default',
  'https://login.example.com/6babcaad-604b-40ac/v2.0',
  'https://[2001:db8::1]:8443/a',
  'https://10.0.0.5/a',
  'http://localhost:8080/realms/acme',
  'http://127.0.0.1:8080',
  'http://[::1]/a',
]

const PARTS = [
  ...' \t\r\n\0\v\f\\/?#@:;,&=+%"\'<>[]{}|^`~!$*().-_',
  ...'aZ09',
  '\u007f\u00a0\u00ad\u200b\u2028\u3002\uff0f\uff3c\uff20\ufeff\u0456\u212a\u017f\ud800',
  '//',
  '../',
  './',
  '/..',
  '/.',
  '%2e%2e/',
  '%2E',
  '%2f',
  '%5c',
  '%00',
  '%',
  ':443',
  ':80',
  ':8443',
  ':0',
  ':',
  '@evil.example',
  'user@',
  'user:secret@',
  '.evil.example',
  'evil.example\\.',
  'evil.example/',
  '127.0.0.1',
  '127.1',
  '0x7f.1',
  '2130706433',
  '017700000001',
  '[::1]',
  '[0:0::1]',
  '[::ffff:127.0.0.1]',
  'localhost',
  'https://',
  'HTTPS://',
  'http://',
  'https:',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
].flatMap((part) => (part.length > 8 && /^[\u007f-\uffff]+$/.test(part) ? [...part] : [part]))

/** A good issuer after up to four mutations. */
export const issuerTexts: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...GOOD),
    fc.array(fc.tuple(fc.nat(5), fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...PARTS)), {
      maxLength: 4,
    }),
  )
  .map(([good, mutations]) =>
    mutations.reduce((text, [kind, where, part]) => {
      const at = Math.round(where * text.length)
      const [head, tail] = [text.slice(0, at), text.slice(at)]
      if (kind === 0) return head + tail.slice(1)
      if (kind === 1) return head + part + tail.slice(part.length)
      if (kind === 2) return head + tail.toUpperCase()
      return head + part + tail
    }, good),
  )
