/**
 * Checks whether a host may be on the public internet, by the address in its URL (IANA special-purpose registries, RFC 6890).
 *
 * The metadata of an issuer names URLs that the gate then fetches. If the issuer is not trusted with that, it could name an
 * address of the gate's own network, such as the metadata service of a cloud (server-side request forgery).
 */

const LOCAL_NAME = /(?:^|\.)localhost\.*$/
const IPV4_ADDRESS = /^\d+(?:\.\d+){3}$/

/** The blocks of IPv4 that are not public. */
const IPV4 = [
  '0.0.0.0/8', // this network, and the unspecified address
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // carrier-grade NAT (RFC 6598)
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, and the metadata service of clouds (RFC 3927)
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments (RFC 6890)
  '192.0.2.0/24', // documentation (RFC 5737)
  '192.88.99.0/24', // 6to4 relays (RFC 7526)
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks (RFC 2544)
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
].map(blockOf)

/**
 * The only block of IPv6 with public addresses. Outside of it are loopback, unspecified, IPv4-mapped (`::ffff:0:0/96`), NAT64
 * (`64:ff9b::/96`), discard-only, unique local (`fc00::/7`), link-local (`fe80::/10`) and multicast (`ff00::/8`) addresses,
 * and those that are not assigned (RFC 4291 §2.4).
 */
const IPV6_GLOBAL = blockOf('2000::/3')
/** The blocks within it that are not public. */
const IPV6 = [
  '2001::/23', // protocol assignments, with Teredo (RFC 4380) and ORCHID
  '2001:db8::/32', // documentation (RFC 3849)
  '2002::/16', // 6to4, which contains an IPv4 address (RFC 3056)
  '3fff::/20', // documentation (RFC 9637)
].map(blockOf)

/**
 * Returns `false` for an address that is not on the public internet, and for `localhost` and the names below it (RFC 6761
 * §6.3). Other names are not resolved, so they count as public. `publicFetch` checks their addresses when it connects.
 * @param hostname as `URL` has it: `URL` writes each IP address in one way, however it was given
 */
export function isPublicHost(hostname: string): boolean {
  const address = firstBits(hostname)
  if (address === undefined) return !LOCAL_NAME.test(hostname)
  if (!hostname.startsWith('[')) return !IPV4.some((block) => isWithin(block, address))
  return isWithin(IPV6_GLOBAL, address) && !IPV6.some((block) => isWithin(block, address))
}

/** A block of addresses. All blocks here have a prefix of at most 32 bits, so the first 32 bits decide, for IPv6 as well. */
interface Block {
  /** The first 32 bits of the first address. */
  readonly start: number
  /** The length of the prefix. In bits. */
  readonly length: number
}

function blockOf(cidr: string): Block {
  const [address = '', length] = cidr.split('/')
  return { start: firstBits(address.includes(':') ? `[${address}]` : address) ?? 0, length: Number(length) }
}

function isWithin({ start, length }: Block, address: number): boolean {
  return (start ^ address) >>> (32 - length) === 0
}

/**
 * Returns the first 32 bits of an address, or `undefined` for a name. `URL` has replaced `127.1` and `0x7f.1` by the usual
 * form.
 */
function firstBits(hostname: string): number | undefined {
  if (hostname.startsWith('[')) {
    const [high, low] = hostname.slice(1, -1).split(':')
    return group(high) * 0x1_0000 + group(low)
  }
  if (!IPV4_ADDRESS.test(hostname)) return undefined
  return hostname.split('.').reduce((bits, octet) => bits * 256 + Number(octet), 0)
}

/** Reads a group of an IPv6 address. An empty one, from `::`, means zeros. */
function group(digits: string | undefined): number {
  return Number.parseInt(digits || '0', 16)
}
