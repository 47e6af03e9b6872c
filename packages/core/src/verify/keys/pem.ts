/** Reads public keys in PEM and DER: SPKI, PKCS #1 and certificates (RFC 7468, RFC 5280 §4.1, RFC 8017 §A.1.1). */

import { base64url, type JWK } from 'jose'

/** One element of DER: its tag, and its content. */
interface Element {
  readonly tag: number
  readonly content: Uint8Array
}

const INTEGER = 0x02
const BIT_STRING = 0x03
const OBJECT_ID = 0x06
const SEQUENCE = 0x30
/** The version of a certificate. Certificates of version 1 have none. */
const VERSION = 0xa0

/** The content of the object identifiers of key types and curves, in hex. */
const RSA = '2a864886f70d010101'
const EC = '2a8648ce3d0201'
const CURVES: Readonly<Record<string, string>> = {
  '2a8648ce3d030107': 'P-256',
  '2b81040022': 'P-384',
  '2b81040023': 'P-521',
}
const OTHERS: Readonly<Record<string, JWK & { readonly member: string }>> = {
  '2b6570': { kty: 'OKP', crv: 'Ed25519', member: 'x' },
  '608648016503040311': { kty: 'AKP', alg: 'ML-DSA-44', member: 'pub' },
  '608648016503040312': { kty: 'AKP', alg: 'ML-DSA-65', member: 'pub' },
  '608648016503040313': { kty: 'AKP', alg: 'ML-DSA-87', member: 'pub' },
}

/** Longer texts are not read. The PEM of an ML-DSA-87 key has about 3,600 characters. */
const MAX_LENGTH = 65_536
const BLOCK = /^\s*-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z\d+/=\s]+)-----END \1-----\s*$/

/** Reads a public key as a JWK, or says what is wrong with it. Whether the key is strong enough is checked later. */
export function jwkFromPem(pem: string): JWK | string {
  const [, label, body] = (pem.length <= MAX_LENGTH && BLOCK.exec(pem)) || []
  if (label === undefined || body === undefined)
    return /-----BEGIN/.test(pem)
      ? 'it is not one complete PEM block. In an environment variable, line breaks must not be written as \\n'
      : 'it does not begin with -----BEGIN PUBLIC KEY-----'
  if (label.endsWith('PRIVATE KEY'))
    return 'it is a private key: extract the public one with "openssl pkey -pubout"'
  try {
    const element = onlyElement(bytesOf(body))
    if (label === 'PUBLIC KEY') return fromSpki(element)
    if (label === 'RSA PUBLIC KEY') return rsaKey(element)
    if (label === 'CERTIFICATE') return fromCertificate(element)
  } catch {
    return 'its content is not the DER encoding of a key'
  }
  return `it is a ${label}, and not a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE`
}

/** Whether bytes are the DER encoding of a key: SPKI, PKCS #1 or a certificate. Its type need not be supported. */
export function isDerKey(bytes: Uint8Array): boolean {
  return [fromSpki, rsaKey, fromCertificate].some((read) => {
    try {
      return read(onlyElement(bytes)) !== undefined
    } catch {
      return false
    }
  })
}

function fromCertificate(certificate: Element): JWK | string {
  const [signed] = elementsOf(certificate)
  const fields = elementsOf(signed)
  // version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
  return fromSpki(fields[fields[0]?.tag === VERSION ? 6 : 5])
}

function fromSpki(info: Element | undefined): JWK | string {
  const [algorithm, key] = elementsOf(info)
  const [type, parameters] = elementsOf(algorithm)
  const id = hex(contentOf(type, OBJECT_ID))
  // The first octet counts the unused bits, which no key has.
  const bits = contentOf(key, BIT_STRING)
  if (bits[0] !== 0) throw new RangeError()
  const text = bits.subarray(1)
  if (id === RSA) return rsaKey(onlyElement(text))
  if (id === EC) return ecKey(CURVES[hex(contentOf(parameters, OBJECT_ID))], text)
  const other = OTHERS[id]
  if (other === undefined) return 'its type is not supported: use RSA, EC, Ed25519 or ML-DSA'
  const { member, ...jwk } = other
  return { ...jwk, [member]: base64url.encode(text) }
}

function rsaKey(key: Element): JWK {
  const [n, e] = elementsOf(key).map((element) => contentOf(element, INTEGER))
  if (n === undefined || e === undefined) throw new RangeError()
  return { kty: 'RSA', n: unsigned(n), e: unsigned(e) }
}

function ecKey(crv: string | undefined, point: Uint8Array): JWK | string {
  if (crv === undefined) return 'its curve is not supported: use P-256, P-384 or P-521'
  if (point[0] !== 4) return 'its point is compressed'
  const half = (point.length - 1) / 2
  return {
    kty: 'EC',
    crv,
    x: base64url.encode(point.subarray(1, 1 + half)),
    y: base64url.encode(point.subarray(1 + half)),
  }
}

/** A positive INTEGER has a leading zero if its first bit is set. */
function unsigned(bytes: Uint8Array): string {
  return base64url.encode(bytes[0] === 0 ? bytes.subarray(1) : bytes)
}

/** @throws RangeError if the bytes are not exactly one element */
function onlyElement(bytes: Uint8Array): Element {
  const [element, ...others] = readElements(bytes)
  if (element === undefined || others.length > 0) throw new RangeError()
  return element
}

function elementsOf(element: Element | undefined): readonly Element[] {
  return readElements(contentOf(element, SEQUENCE))
}

function contentOf(element: Element | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag) throw new RangeError()
  return element.content
}

/** Reads consecutive elements with definite lengths (X.690 §8.1). */
function readElements(bytes: Uint8Array): readonly Element[] {
  const elements: Element[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const [tag = 0, first = 0x80] = bytes.subarray(offset, offset + 2)
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    if (first === 0x80 || lengthBytes > 3) throw new RangeError()
    const start = offset + 2 + lengthBytes
    const length =
      lengthBytes === 0 ? first : bytes.subarray(offset + 2, start).reduce((sum, byte) => sum * 256 + byte, 0)
    if (start + length > bytes.length) throw new RangeError()
    elements.push({ tag, content: bytes.subarray(start, start + length) })
    offset = start + length
  }
  return elements
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64.replaceAll(/\s/g, '')), (character) => character.charCodeAt(0))
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
