/** Texts that look like issuers, against a reader of the tests' own: what is accepted is canonical, and is fetched from itself. */

import { jwt } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { issuerTexts, readIssuer } from './issuers.ts'
import { fuzz, scaled } from './run.ts'

const AUDIENCE = 'https://api.example.com'

/** The URLs from which the metadata of an issuer is fetched, `undefined` if it is refused. */
async function fetchedFrom(issuer: string): Promise<readonly string[] | undefined> {
  const urls: string[] = []
  const fetch = async (url: string) => {
    urls.push(url)
    return new Response(null, { status: 404 })
  }
  let verifier: ReturnType<typeof jwt>
  try {
    verifier = jwt({ issuer, audience: AUDIENCE, fetch })
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith('"issuer" must be')) return undefined
    throw error
  }
  expect(verifier.issuers).toEqual([issuer])
  await expect(verifier.ready?.()).rejects.toThrow()
  return urls
}

describe('an issuer', () => {
  it('is accepted if it is canonical and fetched from its own authority, of 20,000 texts (ATK02)', async () => {
    const counts = { accepted: 0, refused: 0 }
    const property = fc.asyncProperty(issuerTexts, async (text) => {
      const canonical = readIssuer(text)
      counts[canonical === undefined ? 'refused' : 'accepted'] += 1
      const expected = canonical && [
        `${canonical.scheme}://${canonical.authority}/.well-known/oauth-authorization-server${canonical.path}`,
        `${canonical.scheme}://${canonical.authority}${canonical.path}/.well-known/openid-configuration`,
      ]
      const urls = await fetchedFrom(text)
      expect(urls).toEqual(expected)
      // As `fetch` reads it, it is the same URL.
      for (const url of urls ?? []) expect(new URL(url).href).toBe(url)
    })
    expect(await fuzz('ATK02', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect(counts.accepted).toBeGreaterThan(scaled(20_000) / 10)
    expect(counts.refused).toBeGreaterThan(scaled(20_000) / 10)
  })
})
