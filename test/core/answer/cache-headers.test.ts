/** The stricter of two header values, and what the place of a token asks for (ATK05). */

import { describe, expect, it } from 'vitest'
import { cacheHeaders, isTargetedCacheControl, stricter } from '#core/answer/cache-headers.ts'

describe('Cache-Control of the handler beside "private"', () => {
  it.each<[string | undefined, string]>([
    [undefined, 'private'],
    ['', 'private'],
    ['public', 'private'],
    ['public, max-age=60', 'private, max-age=60'],
    ['PUBLIC,max-age=60', 'private, max-age=60'],
    ['s-maxage=600, max-age=5', 'private, max-age=5'],
    ['private', 'private'],
    ['Private, max-age=60', 'Private, max-age=60'],
    ['no-store', 'no-store'],
    ['public, no-store', 'no-store'],
    ['must-understand, no-store', 'private, must-understand, no-store'],
    ['no-cache', 'private, no-cache'],
    ['private="set-cookie, x", max-age=9', 'private, max-age=9'],
    ['no-cache="a, public", public', 'private, no-cache="a, public"'],
    ['private, public', 'private'],
    ['max-age="6, public', 'private, max-age="6, public'],
  ])('%s becomes %s (ATK05)', (given, expected) => {
    expect(stricter('cache-control', 'private', given)).toBe(expected)
  })

  it('is replaced by no-store if the token was in the query (RFC 6750 §2.3)', () => {
    expect(stricter('Cache-Control', 'private, no-store', 'public, max-age=60')).toBe('private, no-store')
  })

  it('keeps no-transform beside no-store, without which compression would buffer an event stream', () => {
    expect(stricter('Cache-Control', 'private, no-store', 'No-Cache, No-Transform, no-transform')).toBe(
      'private, no-store, No-Transform',
    )
  })
})

describe('Vary of the handler beside "Cookie"', () => {
  it.each<[string | undefined, string]>([
    [undefined, 'Cookie'],
    ['Accept', 'Accept, Cookie'],
    ['cookie', 'cookie'],
    ['Accept, Cookie', 'Accept, Cookie'],
    ['*', '*'],
    ['Accept, *', '*'],
  ])('%s becomes %s (ATK05)', (given, expected) => {
    expect(stricter('Vary', 'Cookie', given)).toBe(expected)
  })
})

describe('the place of a token', () => {
  it('asks for nothing in Authorization, and for Cache-Control and Vary elsewhere (ATK05)', () => {
    expect(cacheHeaders(undefined, false).of('header')).toBeUndefined()
    const usual = cacheHeaders(undefined, true)
    expect(usual.of('cookie')).toEqual({ 'Cache-Control': 'private', Vary: 'Authorization, Cookie' })
    expect(usual.of('form')).toEqual({ 'Cache-Control': 'private', Vary: 'Authorization, Cookie' })
    expect(cacheHeaders('', false).of('form')).toEqual({ 'Cache-Control': 'private' })
    expect(usual.of('query')).toEqual({
      'Cache-Control': 'private, no-store',
      'Referrer-Policy': 'no-referrer',
    })
    expect(cacheHeaders('X-Api-Key', false).of('header')).toEqual({
      'Cache-Control': 'private',
      Vary: 'X-Api-Key',
    })
    expect(cacheHeaders('AUTHORIZATION', false).of('header')).toBeUndefined()
  })

  it('asks for Vary also in Authorization, if the next caller may send a cookie or nothing (ATK05)', () => {
    expect(cacheHeaders(undefined, true).of('header')).toEqual({ Vary: 'Authorization, Cookie' })
    expect(cacheHeaders(undefined, false, true).of('header')).toEqual({ Vary: 'Authorization' })
  })

  it('requires Vary with every field that may contain a token if the request had none (ATK05)', () => {
    expect(cacheHeaders(undefined, true).anonymous).toEqual({ Vary: 'Authorization, Cookie' })
    expect(cacheHeaders('X-Api-Key', false).anonymous).toEqual({ Vary: 'X-Api-Key' })
    expect(cacheHeaders('', false).anonymous).toEqual({})
  })

  it('recognizes the headers that make some caches ignore Cache-Control (RFC 9213)', () => {
    for (const name of [
      'CDN-Cache-Control',
      'cloudflare-cdn-cache-control',
      'Surrogate-Control',
      'Edge-Control',
      'X-Accel-Expires',
    ])
      expect(isTargetedCacheControl(name)).toBe(true)
    expect(isTargetedCacheControl('Cache-Control')).toBe(false)
  })
})
