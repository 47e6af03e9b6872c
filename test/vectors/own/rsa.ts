/** Vectors for RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 §3.3 and §3.5). */

import {
  cubeRoot,
  digestInfo,
  type PssChoices,
  pkcs1Block,
  pssBlock,
  rsaKey,
  rsaPrivate,
  toBytes,
  toInteger,
} from './arithmetic.ts'
import { collector, encode, KEYS, publicJwk, signingInput, type VectorFile } from './vector.ts'

const BAD = 'invalid_signature'

export function rsaVectors(): VectorFile {
  const { add, vectors } = collector('rsa')
  const key = rsaKey(KEYS.rsa)
  const { n, bytes } = key
  const jwk = publicJwk(KEYS.rsa)

  const check = (
    id: string,
    comment: string,
    alg: string,
    signature: Buffer,
    input: string,
    reason?: string,
  ) =>
    add(id, comment, {
      key: jwk,
      algorithms: [alg],
      token: `${input}.${encode(signature)}`,
      ...(reason !== undefined && { reason }),
    })

  const pkcs1 = (input: string, hash: string) => rsaPrivate(key, pkcs1Block(digestInfo(hash, input), bytes))
  const pss = (input: string, choices: PssChoices) => rsaPrivate(key, pssBlock(input, bytes, choices))

  for (const size of [256, 384, 512]) {
    const hash = `sha${size}`
    const length = size / 8
    const [rs, ps] = [`RS${size}`, `PS${size}`]
    const [rsInput, psInput] = [rs, ps].map((alg) => signingInput(alg, `rsa-${alg.toLowerCase()}`)) as [
      string,
      string,
    ]
    const others = [256, 384, 512].filter((other) => other !== size)

    check(`rs${size}-valid`, 'a signature of the key', rs, pkcs1(rsInput, hash), rsInput)
    check(
      `rs${size}-is-pss`,
      `${ps} made it, the header says ${rs}`,
      rs,
      pss(rsInput, { hash, saltLength: length }),
      rsInput,
      BAD,
    )
    for (const other of others)
      check(
        `rs${size}-by-sha${other}`,
        `the hash is SHA-${other}`,
        rs,
        pkcs1(rsInput, `sha${other}`),
        rsInput,
        BAD,
      )

    check(
      `ps${size}-valid`,
      `a salt of ${length} bytes, the length of the hash`,
      ps,
      pss(psInput, { hash, saltLength: length }),
      psInput,
    )
    check(
      `ps${size}-is-pkcs1`,
      `${rs} made it, the header says ${ps}`,
      ps,
      pkcs1(psInput, hash),
      psInput,
      BAD,
    )
    const longest = bytes - length - 2
    for (const saltLength of [0, 20, length - 1, length + 1, longest])
      check(
        `ps${size}-salt-${saltLength}`,
        `a salt of ${saltLength} bytes${saltLength === longest ? ', the longest one' : ''}: RFC 7518 §3.5 wants ${length}`,
        ps,
        pss(psInput, { hash, saltLength }),
        psInput,
        BAD,
      )
    for (const other of others)
      check(
        `ps${size}-by-sha${other}`,
        `the hash is SHA-${other}`,
        ps,
        pss(psInput, { hash: `sha${other}`, saltLength: other / 8 }),
        psInput,
        BAD,
      )
    check(
      `ps${size}-mask-by-sha1`,
      'the mask is made by SHA-1',
      ps,
      pss(psInput, { hash, saltLength: length, maskHash: 'sha1' }),
      psInput,
      BAD,
    )
    check(
      `ps${size}-trailer`,
      'the block ends with cc in place of bc',
      ps,
      pss(psInput, { hash, saltLength: length, trailer: 0xcc }),
      psInput,
      BAD,
    )
  }

  for (const [alg, make] of [
    ['RS256', (input: string) => pkcs1(input, 'sha256')],
    ['PS256', (input: string) => pss(input, { hash: 'sha256', saltLength: 32 })],
  ] as const) {
    const name = alg.toLowerCase()
    const find = (id: string, wanted: (signature: Buffer) => boolean) => {
      for (let attempt = 0; attempt < 10_000; attempt += 1) {
        const input = signingInput(alg, `rsa-${name}-${id}-${attempt}`)
        const signature = make(input)
        if (wanted(signature)) return { input, signature }
      }
      throw new Error('No token has such a signature')
    }
    const zero = Buffer.alloc(1)

    const short = find('short', (signature) => signature[0] === 0)
    check(`${name}-leading-zero`, 'the signature begins with a zero byte', alg, short.signature, short.input)
    check(
      `${name}-leading-zero-cut`,
      'the zero byte that it begins with is missing',
      alg,
      short.signature.subarray(1),
      short.input,
      BAD,
    )

    // With a full length, n + s has to fit in it too.
    const { input, signature } = find(
      'long',
      (made) => made[0] !== 0 && toInteger(made) + n < 256n ** BigInt(bytes),
    )
    const s = toInteger(signature)
    check(`${name}-long`, 'a signature of the key, so small that n can be added', alg, signature, input)
    for (const [id, comment, odd] of [
      ['plus-modulus', 's + n in place of s: the same number modulo n', toBytes(s + n, bytes)],
      ['minus', 'n - s in place of s', toBytes(n - s, bytes)],
      ['is-zero', 's = 0', toBytes(0n, bytes)],
      ['is-one', 's = 1', toBytes(1n, bytes)],
      ['is-modulus', 's = n', toBytes(n, bytes)],
      ['is-modulus-less-one', 's = n - 1', toBytes(n - 1n, bytes)],
      ['largest', 'all bits are set', Buffer.alloc(bytes, 0xff)],
      ['zero-before', 'a zero byte before the signature', Buffer.concat([zero, signature])],
      ['zero-behind', 'a zero byte behind the signature', Buffer.concat([signature, zero])],
      ['first-byte-cut', 'the first byte is missing', signature.subarray(1)],
      ['last-byte-cut', 'the last byte is missing', signature.subarray(0, -1)],
      ['reversed', 'the bytes are in reverse order', Buffer.from(signature).reverse()],
      ['doubled', 'the signature twice', Buffer.concat([signature, signature])],
      ['one-byte', 'a signature of one byte', Buffer.from([1])],
    ] as const)
      check(`${name}-${id}`, comment, alg, odd, input, BAD)
    add(`${name}-wrong-key`, 'signed by another key', {
      key: publicJwk(KEYS.otherRsa),
      algorithms: [alg],
      token: `${input}.${encode(signature)}`,
      reason: BAD,
    })
  }

  const input = signingInput('RS256', 'rsa-encoding')
  const info = digestInfo('sha256', input)
  const hash = info.subarray(19)
  const hex = (text: string) => Buffer.from(text, 'hex')
  const filled = pkcs1Block(info, bytes)
  const changed = (at: number, value: number) => {
    const block = Buffer.from(filled)
    block[at] = value
    return block
  }
  for (const [id, comment, block] of [
    ['no-digest-info', 'the hash without the DER around it', pkcs1Block(hash, bytes)],
    [
      'no-null',
      'the parameters of the hash are absent, not NULL',
      pkcs1Block(Buffer.concat([hex('302f300b0609608648016503040201'), hex('0420'), hash]), bytes),
    ],
    [
      'long-length',
      'the outer length is in the long form (BER)',
      pkcs1Block(Buffer.concat([hex('308131300d060960864801650304020105000420'), hash]), bytes),
    ],
    ['sha1', 'the hash is SHA-1', pkcs1Block(digestInfo('sha1', input), bytes)],
    [
      'named-sha512',
      'a SHA-256 hash that is said to be SHA-512',
      pkcs1Block(Buffer.concat([hex('3031300d060960864801650304020305000420'), hash]), bytes),
    ],
    [
      'garbage-behind',
      'bytes behind the hash, and a shorter padding (Bleichenbacher 2006)',
      Buffer.concat([pkcs1Block(info, 100), Buffer.alloc(bytes - 100, 0x77)]),
    ],
    [
      'garbage-inside',
      'bytes inside the outer sequence, behind the hash',
      pkcs1Block(
        Buffer.concat([hex('3041300d060960864801650304020105000420'), hash, Buffer.alloc(16)]),
        bytes,
      ),
    ],
    ['type-2', 'block type 2 in place of 1', pkcs1Block(info, bytes, 0x02)],
    ['type-0', 'block type 0 in place of 1', pkcs1Block(info, bytes, 0x00)],
    ['zero-padding', 'the padding is of zero bytes', pkcs1Block(info, bytes, 0x01, 0x00)],
    ['odd-padding', 'one byte of the padding is fe', changed(20, 0xfe)],
    ['no-separator', 'no zero byte behind the padding', changed(bytes - info.length - 1, 0xff)],
    ['early-separator', 'a zero byte inside the padding', changed(10, 0x00)],
  ] as const)
    check(`rs256-${id}`, comment, 'RS256', rsaPrivate(key, block), input, BAD)

  // Bleichenbacher's forgery: no private key, only a cube root. It works where bytes behind the hash are ignored.
  const forged = cubeRoot(toInteger(Buffer.concat([pkcs1Block(info, 64), Buffer.alloc(bytes - 64, 0xff)])))
  add('rs256-cube-root', 'forged without a key, for e = 3', {
    key: { ...jwk, e: 'Aw' },
    algorithms: ['RS256'],
    token: `${input}.${encode(toBytes(forged, bytes))}`,
    reason: BAD,
  })
  const message = toBytes(toInteger(filled), bytes)
  for (const [id, comment, e, reason] of [
    ['exponent-one', 'e = 1: the block is its own signature', 'AQ', 'unusable_key'],
    ['exponent-even', 'e = 2', 'Ag', 'unusable_key'],
    ['exponent-zero', 'e = 0', 'AA', 'unusable_key'],
  ] as const)
    add(`rs256-${id}`, comment, {
      key: { ...jwk, e },
      algorithms: ['RS256'],
      token: `${input}.${encode(message)}`,
      reason,
    })
  const modulus = Buffer.from(String(jwk.n), 'base64url')
  add('rs256-short-modulus', 'a modulus of 2040 bits', {
    key: { ...jwk, n: encode(modulus.subarray(1)) },
    algorithms: ['RS256'],
    token: `${input}.${encode(message)}`,
    reason: 'unusable_key',
  })

  return { about: 'RSA signatures and keys at the edges of RFC 7518 §3.3, §3.5 and RFC 8017', vectors }
}
