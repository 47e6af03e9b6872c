/** Which hosts are public: the edges of every block of addresses, in every spelling that `URL` reads. */

import { describe, expect, it } from 'vitest'
import { isPublicHost } from '#core/net/address.ts'

const hostnameOf = (host: string) => new URL(`https://${host}/`).hostname

/** First and last address of each block, and the addresses before and after it if they are public. */
const BLOCKS: readonly (readonly [
  block: string,
  first: string,
  last: string,
  before?: string | undefined,
  after?: string | undefined,
])[] = [
  ['this network', '0.0.0.0', '0.255.255.255', undefined, '1.0.0.0'],
  ['private', '10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['carrier-grade NAT', '100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['loopback', '127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['link-local', '169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['private', '172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['protocol assignments', '192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['documentation', '192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['6to4 relays', '192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['private', '192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['benchmarks', '198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['documentation', '198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['documentation', '203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['multicast', '224.0.0.0', '239.255.255.255', '223.255.255.255'],
  ['reserved', '240.0.0.0', '255.255.255.255'],
  ['unspecified and loopback', '[::]', '[::1]'],
  ['IPv4-compatible', '[::1.0.0.0]', '[::ffff:ffff]'],
  ['IPv4-mapped', '[::ffff:0:0]', '[::ffff:ffff:ffff]'],
  ['NAT64', '[64:ff9b::]', '[64:ff9b::ffff:ffff]'],
  ['NAT64 of a network', '[64:ff9b:1::]', '[64:ff9b:1:ffff:ffff:ffff:ffff:ffff]'],
  ['discard-only', '[100::]', '[100::ffff:ffff:ffff:ffff]'],
  ['before global unicast', '[::2:0:0]', '[1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]', undefined, '[2000::]'],
  [
    'Teredo',
    '[2001::]',
    '[2001:0:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
  ],
  [
    'protocol assignments',
    '[2001:1::]',
    '[2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff]',
    undefined,
    '[2001:200::]',
  ],
  [
    'documentation',
    '[2001:db8::]',
    '[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[2001:db7:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[2001:db9::]',
  ],
  [
    '6to4',
    '[2002::]',
    '[2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[2003::]',
  ],
  [
    'documentation',
    '[3fff::]',
    '[3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[3fff:1000::]',
  ],
  [
    'after global unicast',
    '[4000::]',
    '[fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
  ],
  ['unique local', '[fc00::]', '[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]'],
  ['link-local', '[fe80::]', '[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]'],
  ['site-local', '[fec0::]', '[feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]'],
  ['multicast', '[ff00::]', '[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]'],
]

for (const [name, first, last, before, after] of BLOCKS)
  describe(`the block of ${name} addresses from ${first} to ${last}`, () => {
    it.each([first, last])('is not public at %s (ATK11)', (host) => {
      expect(isPublicHost(hostnameOf(host))).toBe(false)
    })

    for (const host of [before, after])
      if (host !== undefined)
        it(`is surrounded by the public address ${host} (ATK11)`, () => {
          expect(isPublicHost(hostnameOf(host))).toBe(true)
        })
  })

/** The spellings of an IPv4 address with one to four parts, in decimal, octal and hexadecimal. */
function spellings(octets: readonly [number, number, number, number]): string[] {
  const [a, b, c, d] = octets
  const parts = [
    [a, b, c, d],
    [a, b, c * 256 + d],
    [a, (b * 256 + c) * 256 + d],
    [((a * 256 + b) * 256 + c) * 256 + d],
  ]
  const digits = [
    (part: number) => String(part),
    (part: number) => `0${part.toString(8)}`,
    (part: number) => `0x${part.toString(16)}`,
    (part: number) => `0X00${part.toString(16).toUpperCase()}`,
  ]
  return parts
    .flatMap((list) => digits.map((format) => list.map(format).join('.')))
    .flatMap((host) => [host, `${host}.`])
}

it.each(spellings([127, 0, 0, 1]).concat(spellings([169, 254, 169, 254])))(
  'is not public at %s (ATK11)',
  (host) => {
    expect(isPublicHost(hostnameOf(host))).toBe(false)
  },
)

it.each(spellings([8, 8, 4, 4]))('is public at %s (ATK11)', (host) => {
  expect(isPublicHost(hostnameOf(host))).toBe(true)
})

it.each(['localhost', 'LocalHost', 'localhost.', 'a.localhost', 'a.b.localhost.', 'localhost..'])(
  'is not public by the name %s (ATK11)',
  (host) => {
    expect(isPublicHost(hostnameOf(host))).toBe(false)
  },
)

it.each([
  'id.example.com',
  'localhost.example.com',
  'notlocalhost',
  'localhost.localhosts',
  '10.0.0.1.example.com',
  '1.2.3.4.5a',
  'fc00.example',
])('may be public by the name %s (ATK11)', (host) => {
  expect(isPublicHost(hostnameOf(host))).toBe(true)
})
