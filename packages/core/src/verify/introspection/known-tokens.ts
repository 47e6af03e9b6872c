/** Remembers the hashes of tokens that were active at their last introspection. No caller can evict the tokens of others. */

/**
 * If there is no room for one more token, the caller with the most tokens loses its oldest one. Of several callers with
 * equally many, it is the one whose last token was added longest ago. So callers with one token each are an LRU list.
 */
export class KnownTokens {
  readonly #max: number
  /** The caller of each token. */
  readonly #callers = new Map<string, string>()
  /** The tokens of each caller, oldest first. */
  readonly #tokens = new Map<string, Set<string>>()
  /** The callers by the number of their tokens. The last set is never empty. */
  readonly #bySize: Set<string>[] = []

  /** @param max how many tokens are remembered */
  constructor(max: number) {
    this.#max = max
  }

  has(token: string): boolean {
    return this.#callers.has(token)
  }

  /** Adds a token as the newest one of its caller. */
  add(token: string, caller: string): void {
    this.delete(token)
    this.#callers.set(token, caller)
    this.#change(caller, (tokens) => tokens.add(token))
    if (this.#callers.size > this.#max) this.#evict()
  }

  delete(token: string): void {
    const caller = this.#callers.get(token)
    if (caller === undefined) return
    this.#callers.delete(token)
    this.#change(caller, (tokens) => tokens.delete(token))
  }

  #evict(): void {
    const [largest = ''] = this.#bySize.at(-1) ?? []
    const [oldest = ''] = this.#tokens.get(largest) ?? []
    this.delete(oldest)
  }

  #change(caller: string, change: (tokens: Set<string>) => void): void {
    const tokens = this.#tokens.get(caller) ?? new Set()
    this.#bySize[tokens.size]?.delete(caller)
    change(tokens)
    if (tokens.size === 0) this.#tokens.delete(caller)
    else {
      this.#tokens.set(caller, tokens)
      while (this.#bySize.length <= tokens.size) this.#bySize.push(new Set())
      this.#bySize[tokens.size]?.add(caller)
    }
    while (this.#bySize.at(-1)?.size === 0) this.#bySize.pop()
  }
}
