/** A certificate for servers on loopback, which signs itself (RFC 5280 §4.1). */

import { generateKeyPairSync, sign } from 'node:crypto'

/** An ASN.1 value in DER, of fewer than 65,536 bytes. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
const identifier = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const integer = (value: number) => der(0x02, Buffer.from([value]))
const time = (text: string) => der(0x17, Buffer.from(text))

const ECDSA_WITH_SHA256 = sequence(identifier('2a8648ce3d040302'))
const NAME = sequence(der(0x31, sequence(identifier('550403'), der(0x0c, Buffer.from('bearergate tests')))))
/** The names that it is valid for: `localhost` and 127.0.0.1. */
const ALTERNATIVES = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))

export interface Certificate {
  /** In PEM. */
  readonly key: string
  /** In PEM. A runtime that trusts it as an authority accepts it. */
  readonly cert: string
}

export function createCertificate(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const unsigned = sequence(
    der(0xa0, integer(2)),
    integer(1),
    ECDSA_WITH_SHA256,
    NAME,
    sequence(time('200101000000Z'), time('491231235959Z')),
    NAME,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(identifier('551d11'), der(0x04, ALTERNATIVES)))),
  )
  const signature = sign('sha256', unsigned, privateKey)
  const signed = sequence(unsigned, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature))
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? []
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
  }
}
