/** Public keys in PEM: every form that is read, and what is wrong with the others (RFC 7468). */

import { exportJWK, exportPKCS8, exportSPKI } from 'jose'
import { describe, expect, it } from 'vitest'
import { jwkFromPem } from '#core/verify/keys/pem.ts'
import { createKeyPair } from '../../../support/issuer.ts'

/** A certificate for CN=id.example.com, and the key in it. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBhjCCAS2gAwIBAgIUJYOgYC/d4yoSitVEBofbgd0uTBswCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOaWQuZXhhbXBsZS5jb20wHhcNMjYxMTI2MDc0OTA0WhcNMzYx
MTIzMDc0OTA0WjAZMRcwFQYDVQQDDA5pZC5leGFtcGxlLmNvbTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABHchomB8XAweEx7XEffy4LNjoq6PSTKbkofR/kdz9nLG
9aIeQ7q1WI+K5gDrHDzaqT+O2RuERgpqW3XJnL8j/qKjUzBRMB0GA1UdDgQWBBTc
RcVsSFrz3JceTzSkVAnfROSeWzAfBgNVHSMEGDAWgBTcRcVsSFrz3JceTzSkVAnf
ROSeWzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIHWXloAik9l1
aFo6GyIj/yEInEUnKQ1Beq9/tkmK1Ok0AiB+4apDb4SW59wLRNhKDNzFxCwPfCoj
CPOVvUF7co0new==
-----END CERTIFICATE-----
`
const ITS_KEY = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdyGiYHxcDB4THtcR9/Lgs2Oiro9J
MpuSh9H+R3P2csb1oh5DurVYj4rmAOscPNqpP47ZG4RGCmpbdcmcvyP+og==
-----END PUBLIC KEY-----`

describe('a PEM', () => {
  it.each(['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'of a key for %s is the JWK that jose exports',
    async (alg) => {
      const { publicKey } = await createKeyPair(alg)
      expect(jwkFromPem(await exportSPKI(publicKey))).toEqual(await exportJWK(publicKey))
    },
  )

  it('with spaces around it, and with line breaks of Windows, is read', async () => {
    const { publicKey } = await createKeyPair('ES256')
    const pem = `\n  ${(await exportSPKI(publicKey)).replaceAll('\n', '\r\n')}  `
    expect(jwkFromPem(pem)).toEqual(await exportJWK(publicKey))
  })

  it('of the form PKCS #1 is the same key', async () => {
    const { publicKey } = await createKeyPair('RS256')
    const spki = atob((await exportSPKI(publicKey)).replaceAll(/-----[^-]+-----|\s/g, ''))
    // The header of an SPKI with a modulus of 2,048 bits has 24 bytes.
    const pem = `-----BEGIN RSA PUBLIC KEY-----\n${btoa(spki.slice(24))}\n-----END RSA PUBLIC KEY-----`
    expect(jwkFromPem(pem)).toEqual(await exportJWK(publicKey))
  })

  it('of a certificate is the key in it', () => {
    expect(jwkFromPem(CERTIFICATE)).toMatchObject({ kty: 'EC', crv: 'P-256' })
    expect(jwkFromPem(CERTIFICATE)).toEqual(jwkFromPem(ITS_KEY))
  })

  it.each<readonly [string, string, RegExp]>([
    ['no PEM', 'hunter2', /does not begin with/],
    ['escaped line breaks', ITS_KEY.replaceAll('\n', '\\n'), /line breaks must not be written as \\n/],
    ['an end that is missing', ITS_KEY.slice(0, -10), /not one complete PEM block/],
    ['two blocks', `${ITS_KEY}\n${ITS_KEY}`, /not one complete PEM block/],
    ['another kind', ITS_KEY.replaceAll('PUBLIC KEY', 'DH PARAMETERS'), /is a DH PARAMETERS/],
    ['content that is cut off', ITS_KEY.replace('ZG4RGCmpbdcmcvyP+og==', ''), /not the DER encoding/],
    ['content that is not base64', ITS_KEY.replace('og==', 'o=g='), /not the DER encoding/],
    ['no content', '-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----', /not the DER encoding/],
    ['a point in compressed form', ITS_KEY.replace('QgAEdyGi', 'QgACdyGi'), /its point is compressed/],
    ['a key for key agreement', spkiOf('302a300506032b656e032100', 32), /its type is not supported/],
  ])('with %s is rejected with the reason', (_what, pem, message) => {
    expect(jwkFromPem(pem)).toMatch(message)
  })

  it('of a private key is rejected', async () => {
    const { privateKey } = await createKeyPair('ES256')
    expect(jwkFromPem(await exportPKCS8(privateKey))).toMatch(/private key: extract the public one/)
  })
})

/** Creates a PEM of a header in hex and a key of zeros. */
function spkiOf(header: string, length: number): string {
  const bytes = (header.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
  const text = String.fromCharCode(...bytes, ...new Uint8Array(length))
  return `-----BEGIN PUBLIC KEY-----\n${btoa(text)}\n-----END PUBLIC KEY-----`
}
