/** Stage 1 of a gate: finds the token of a request, or decides about a request that has none. */

import { isImmediate, sha256 } from '#digest'
import type { Extract } from '../extract/extract.ts'
import { tokenOf } from '../extract/found.ts'
import { usualToken } from '../extract/header.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import { isB64Token } from '../lib/syntax.ts'
import type { Credentials, TokenSource, TokenSources, TokenText } from '../model/credentials.ts'
import type { Identity } from '../model/identity.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import type { RequestLike } from '../request/request.ts'
import { type CacheUse, PresentedToken } from '../verify/presented.ts'
import type { Verification } from '../verify/verification.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import type { Outcome } from './decisions.ts'
import type { GateSettings } from './options.ts'
import { Transport } from './transport.ts'
import type { Unauthenticated } from './unauthenticated.ts'

/** The token of a request, with its cached result if there is one. */
export class FoundToken<I extends Identity<unknown>> {
  readonly source: TokenSource
  /** The cached result. `undefined` if the token must be verified. */
  readonly cached: Verification<I> | undefined
  readonly #text: string
  readonly #hash: string | undefined
  #presented: PresentedToken | undefined

  constructor(text: string, source: TokenSource, hash?: string, cached?: Verification<I>) {
    this.source = source
    this.cached = cached
    this.#text = text
    this.#hash = hash
  }

  /** Whether the token has this text. */
  isOf(text: string): boolean {
    return text === this.#text
  }

  /** Whether the token has the syntax that a gate accepts. */
  hasSyntax({ syntax }: TokenText): boolean {
    return syntax !== 'b64token' || isB64Token(this.#text)
  }

  /** Reports whether the result comes from a cache: now, or while it is verified. */
  reportTo(cacheUse: CacheUse): void {
    cacheUse.isHit = this.cached !== undefined
    if (!cacheUse.isHit) this.presented.cacheUse = cacheUse
  }

  /** Created only if it is needed, because a cached token rarely needs it. */
  get presented(): PresentedToken {
    this.#presented ??= new PresentedToken(this.#text, this.#hash)
    return this.#presented
  }
}

/**
 * Whether caches may have results of tokens in another syntax than `b64token`: gates with different options can share a verifier.
 * Otherwise a result is cached only for a token whose syntax was checked, and it is not checked again.
 */
let isCacheMixed = false

type Found<I extends Identity<unknown>> = FoundToken<I> | Outcome<undefined>

/**
 * Finds the token of each request. There are two ways. The fast one takes the text after `Bearer ` and looks for a cached
 * result. That needs no pattern and no list of places, because only a token whose syntax was checked can be in the cache. If
 * there is no result, the slow one extracts the token with all checks.
 */
export class TokenFinder<I extends Identity<unknown>> {
  readonly #extract: Extract
  readonly #transport: Transport
  readonly #unauthenticated: Unauthenticated
  readonly #verifier: TokenVerifier<I>
  /** Whether to look for a cached result before the syntax is checked. Needs a synchronous hash and the default place. */
  readonly #looksUp: boolean
  readonly #text: TokenText
  /** The first header field that is read, in lower case. `undefined` if none is. */
  readonly field: string | undefined
  /** Whether the gate looks in `Authorization` only. */
  readonly isUsual: boolean

  /** @throws TypeError if an option is invalid */
  constructor(
    options: Pick<GateSettings, 'tokenFrom' | 'requireTls' | 'isSecure' | 'allowLoopback'> & {
      readonly text: TokenText
    },
    extract: Extract,
    unauthenticated: Unauthenticated,
    verifier: TokenVerifier<I>,
  ) {
    this.#extract = extract
    this.#transport = new Transport(options)
    this.#unauthenticated = unauthenticated
    this.#verifier = verifier
    this.#text = options.text
    this.isUsual = options.tokenFrom === undefined
    this.field = fieldOf(options.tokenFrom?.header)
    this.#looksUp = isImmediate && options.tokenFrom === undefined && verifier.getCached !== undefined
    if (options.text.syntax !== 'b64token') isCacheMixed = true
  }

  /** Returns the token, or the outcome for a request without one. A promise only if a form has to be read. */
  find(request: RequestLike): Found<I> | Promise<Found<I>> {
    const usual = this.#looksUp ? this.#usual(request) : undefined
    if (usual?.cached !== undefined && (!isCacheMixed || usual.hasSyntax(this.#text)))
      return this.#transport.check(request) ?? usual
    return mapMaybe(this.#extract(request), (found): Found<I> => {
      if (isRejection(found)) return this.withoutToken(request, found)
      const { token, source } = found
      return this.#transport.check(request) ?? (usual?.isOf(token) ? usual : new FoundToken(token, source))
    })
  }

  /**
   * Returns the text of the token of a request that was allowed. `undefined` if a form must be read first. Its syntax was checked
   * before, so that it is not checked again unless the text after `Bearer ` begins with another space.
   */
  textIn(request: RequestLike): string | undefined {
    const usual = this.#looksUp ? usualToken(request, this.#text.maxLength) : undefined
    if (usual !== undefined && !usual.startsWith(' ')) return usual
    const found = this.#extract(request)
    return isPromiseLike(found) || isRejection(found) ? undefined : found.token
  }

  /** Finds the token of a request, without the cache and without a decision about a request that has none. */
  search(request: RequestLike): Credentials | Rejection | Promise<Credentials | Rejection> {
    return this.#extract(request)
  }

  /** Returns the outcome for a request that has no token. */
  withoutToken(request: RequestLike, rejection: Rejection): Outcome<undefined> {
    return this.#unauthenticated.outcome(request, rejection)
  }

  /** Reads a text as if the first place of a request had it. */
  read(text: string): Credentials | Rejection {
    return tokenOf(text, 'header', this.#text)
  }

  /** Returns why a request may not carry a token, or `undefined` if it may. */
  checkTransport(request: RequestLike): Rejection | undefined {
    return this.#transport.check(request)
  }

  /** Returns the text after `Bearer `, which may not have the syntax of a token. */
  #usual(request: RequestLike): FoundToken<I> | undefined {
    const text = usualToken(request, this.#text.maxLength)
    if (text === undefined) return undefined
    const hash = sha256(text) as string
    const cached = this.#verifier.getCached?.(hash)
    return new FoundToken(text, 'header', hash, cached)
  }
}

function fieldOf(header: TokenSources['header'] = true): string | undefined {
  if (header === false) return undefined
  return header === true ? 'authorization' : [header].flat()[0]?.toLowerCase()
}
