/** Texts that look like URLs, and which of them the metadata of an issuer may name (RFC 3986, RFC 6890, RFC 8414 §3.3). */

import { BlockList, isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'

export interface Place {
  readonly scheme: 'https' | 'http'
  /** An IPv4 address in its usual spelling, an IPv6 address, or a name in lower case. */
  readonly host: string
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const DIGITS = '0123456789'
const HOST = new Set(`${LETTERS}${DIGITS}_-.~`)
const HEX = new Set(`${DIGITS}ABCDEFabcdef`)
const BEHIND = new Set(`${LETTERS}${DIGITS}-._~!$&'()*+,;=:@/?`)

/** Reads an absolute http or https URL without user name and fragment. Any other value is `undefined`. */
export function readPlace(value: unknown): Place | undefined {
  if (typeof value !== 'string') return undefined
  const colon = value.indexOf('://')
  if (colon === -1) return undefined
  const scheme = [...value.slice(0, colon)]
    .map((letter) => (LETTERS.includes(letter) ? letter.toLowerCase() : letter))
    .join('')
  if (scheme !== 'https' && scheme !== 'http') return undefined
  const rest = value.slice(colon + 3)
  let end = 0
  while (end < rest.length && rest[end] !== '/' && rest[end] !== '?') end += 1
  const host = readAuthority(rest.slice(0, end))
  return host !== undefined && isBehind(rest.slice(end)) ? { scheme, host } : undefined
}

function readAuthority(authority: string): string | undefined {
  const end = authority.startsWith('[') ? authority.indexOf(']') + 1 : authority.search(/:|$/)
  const [host, port] = [authority.slice(0, end), authority.slice(end)]
  if (port !== '' && port[0] !== ':') return undefined
  if (![...port.slice(1)].every((digit) => DIGITS.includes(digit)) || Number(port.slice(1)) > 65_535)
    return undefined
  if (host.startsWith('[')) {
    const address = host.slice(1, -1)
    return isIPv6(address) && !address.includes('%') ? address : undefined
  }
  if (host === '' || ![...host].every((character) => HOST.has(character))) return undefined
  const name = host.toLowerCase()
  const labels = name.split('.')
  if (labels.at(-1) === '') labels.pop()
  const last = labels.at(-1) ?? ''
  const isNumber =
    last !== '' && ([...last].every((digit) => DIGITS.includes(digit)) || numberOf(last) !== undefined)
  return isNumber ? readIpv4(labels) : name
}

/** `inet_aton`: one to four numbers, of which the last fills what is left. */
function readIpv4(parts: readonly string[]): string | undefined {
  const numbers = parts.map(numberOf)
  if (numbers.length > 4 || numbers.includes(undefined)) return undefined
  const [last = 0, ...before] = (numbers as number[]).reverse()
  if (before.some((number) => number > 255) || last >= 256 ** (4 - before.length)) return undefined
  const bytes: number[] = [...before].reverse()
  for (let place = 3 - before.length; place >= 0; place -= 1)
    bytes.push(Math.floor(last / 256 ** place) % 256)
  return bytes.join('.')
}

function numberOf(text: string): number | undefined {
  if (text.startsWith('0x'))
    return text === '0x' ? 0 : [...text.slice(2)].every((digit) => HEX.has(digit)) ? Number(text) : undefined
  if (text === '' || ![...text].every((digit) => DIGITS.includes(digit))) return undefined
  if (text.length > 1 && text.startsWith('0')) return /[89]/.test(text) ? undefined : Number(`0o${text}`)
  return Number(text)
}

/** Path and query: neither a fragment nor a character that RFC 3986 does not have. */
function isBehind(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    if (BEHIND.has(text.charAt(at))) continue
    if (text[at] !== '%' || !HEX.has(text.charAt(at + 1)) || !HEX.has(text.charAt(at + 2))) return false
    at += 2
  }
  return true
}

const ipv4 = new BlockList()
for (const [address, length] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
  ] as const),
  ...([
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
])
  ipv4.addSubnet(address, length)
const globalIpv6 = new BlockList()
globalIpv6.addSubnet('2000::', 3, 'ipv6')
const specialIpv6 = new BlockList()
for (const [address, length] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  specialIpv6.addSubnet(address, length, 'ipv6')
/** Apart, because a list with an IPv4 address matches it mapped into IPv6 as well. */
const loopback4 = new BlockList()
loopback4.addSubnet('127.0.0.0', 8)
const loopback6 = new BlockList()
loopback6.addAddress('::1', 'ipv6')

/** Whether a host may be on the public internet, as far as its text tells. */
export function isPublic(host: string): boolean {
  if (isIPv4(host)) return !ipv4.check(host)
  if (isIPv6(host)) return globalIpv6.check(host, 'ipv6') && !specialIpv6.check(host, 'ipv6')
  const labels = host.split('.')
  while (labels.at(-1) === '') labels.pop()
  return labels.at(-1) !== 'localhost'
}

export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return loopback4.check(host)
  return isIPv6(host) ? loopback6.check(host, 'ipv6') : host === 'localhost'
}

/** Whether the metadata of an issuer at `home` may name this place. */
export function isAllowed({ scheme, host }: Place, home: string): boolean {
  if (!isPublic(host) && isPublic(home)) return false
  return scheme === 'https' || (isLoopback(host) && isLoopback(home))
}

/** An IPv4 address in one of the spellings that `inet_aton` reads. */
function spelled(bits: number, parts: number, bases: readonly number[], isLong: boolean): string {
  const bytes = [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255]
  const head = bytes.slice(0, parts - 1)
  const tail = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0)
  const number = (value: number, at: number) =>
    [
      String(value),
      `0${value.toString(8)}`,
      `0x${value.toString(16)}`,
      `0X00${value.toString(16).toUpperCase()}`,
    ][bases[at] ?? 0]
  return [...head, tail].map(number).join('.') + (isLong ? '.' : '')
}

const EDGES = [
  ...[
    0x00000000, 0x01010101, 0x08080404, 0x09ffffff, 0x0a000001, 0x0b000000, 0x643fffff, 0x64400000,
    0x647fffff,
  ],
  ...[
    0x64800000, 0x7effffff, 0x7f000001, 0x7fffffff, 0x80000000, 0xa9fea9fe, 0xa9ff0000, 0xac0fffff,
    0xac100001,
  ],
  ...[
    0xac1fffff, 0xac200000, 0xc0000001, 0xc0000201, 0xc0586301, 0xc0a80101, 0xc0a90000, 0xc6120001,
    0xc6140000,
  ],
  ...[0xc6336401, 0xcb007101, 0xdfffffff, 0xe0000001, 0xefffffff, 0xf0000000, 0xffffffff],
]
const bits = fc.oneof(fc.constantFrom(...EDGES), fc.nat(0xffffffff))
const address4 = fc
  .tuple(bits, fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }), fc.nat(5))
  .map(([value, parts, bases, end]) => spelled(value, parts, bases, end === 0))

const PREFIXES = [
  '',
  '::',
  '::ffff:',
  '64:ff9b::',
  '2001::',
  '2001:1ff::',
  '2001:200::',
  '2001:db8::',
  '2001:DB8::',
  '2001:db9::',
  '2002::',
  '2003::',
  '3fff::',
  '3fff:fff::',
  '3fff:1000::',
  '2606:4700::',
  '1fff::',
  '2000::',
  '4000::',
  'fc00::',
  'fdff::',
  'fe80::',
  'fec0::',
  'ff02::',
  '100::',
  '0:0::',
]
const TAILS = [
  '',
  '1',
  '7f00:1',
  '127.0.0.1',
  '10.0.0.1',
  '8.8.4.4',
  'a9fe:a9fe',
  '169.254.169.254',
  '1%eth0',
  '1%25eth0',
  '08.8.8.8',
]
const address6 = fc
  .tuple(fc.constantFrom(...PREFIXES), fc.constantFrom(...TAILS))
  .map(([prefix, tail]) => `[${prefix}${tail}]`)

const NAMES = [
  ...[
    'id.example.com',
    'ID.Example.COM',
    'id.example.com.',
    'evil.example',
    'localhost',
    'LOCALHOST',
    'localhost.',
  ],
  ...[
    'localhost..',
    'a.localhost',
    'localhost.example',
    'notlocalhost',
    'metadata',
    'metadata.google.internal',
  ],
  ...[
    '10.0.0.1.example',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3',
    '0x',
    '0x7f.1',
    '08.1',
    '1.0x',
    'a.1',
    '_a.example',
    'a..b',
  ],
  ...[
    'loca%6chost',
    '127.0.0.1%00',
    '１２７.0.0.1',
    'ⓛocalhost',
    '127。0。0。1',
    'user@127.0.0.1',
    'id.example.com@10.0.0.1',
  ],
  ...['id.example.com:pass@evil.example', '', '.', '[', '[]', '[::1', '::1', '[::1]a', '[v1.a]'],
]
/** Mostly what a URL consists of, and now and then what it must not. */
const mostly = (good: readonly string[], odd: readonly string[]) =>
  fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...good) }, fc.constantFrom(...odd))

const scheme = mostly(
  ['https://', 'https://', 'http://', 'HTTPS://', 'hTtP://'],
  [
    ...['ftp://', 'file://', 'wss://', 'data:', 'javascript:', '//', '', 'https:', 'https:/', 'https:///'],
    ...['https:\\\\', ' https://', 'blob:https://', 'https://user@', 'https://user:secret@', 'http\u017f://'],
  ],
)
const host = fc.oneof(address4, address6, fc.constantFrom(...NAMES), fc.constant('id.example.com'))
const port = mostly(
  ['', '', '', ':443', ':80', ':8443'],
  [':', ':0', ':00443', ':65535', ':65536', ':8o', ':-1', ':٨'],
)
const behind = mostly(
  [
    '/keys',
    '',
    '/',
    '/a/../keys',
    '/%2e%2e/keys',
    '/keys?v=1',
    '?v=1',
    '/keys?/?',
    '/http://127.0.0.1/',
    '/@10.0.0.1',
  ],
  [
    ...[
      '/keys#a',
      '#',
      '/ke ys',
      '/ke\tys',
      '/keys\n',
      '\\keys',
      '/%',
      '/%zz',
      '/é',
      '/\0',
      '/?@10.0.0.1',
      '/[a]',
    ],
    ...['/"', '/{id}', '/keys;v=1', '\t', ' ', '/keys?'],
  ],
)
const inserted = mostly(
  [''],
  [...' \t\n\0/\\?#@:%[].0', '\u3002', '\u00ad', '\u200b', '\uff0f', 'http://', '127.1'],
)

/** A URL of parts that are good or odd, now and then with something put into it. */
export const placeTexts: fc.Arbitrary<string> = fc
  .tuple(scheme, host, port, behind, inserted, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([scheme, host, port, behind, inserted, where]) => {
    const text = scheme + host + port + behind
    const at = Math.round(where * text.length)
    return text.slice(0, at) + inserted + text.slice(at)
  })
