/** Steady traffic with good and bad tokens to two APIs, and what came of it, second by second. */

import type { AuthorizationServer } from './authorization-server.ts'

/** How many requests each API gets per second: with a good token, without one, with an expired one, and without the scope. */
const RATE = { good: 8, none: 1, expired: 1, forbidden: 1 } as const
/** How long a client waits for an answer. In milliseconds. */
const PATIENCE = 3000
/** How often a client gets a new token, if it can. In seconds. */
const RENEWAL = 5

/** The answers of one API in one second, by status. `0` stands for no answer at all. */
export type Answers = Readonly<Record<number, number>>

export interface Second {
  /** Since the start of the traffic. In seconds. */
  readonly at: number
  readonly answers: readonly Answers[]
  /** How many requests with a good token ended in this second, and how many of them were answered 200, for each API. */
  readonly good: readonly { readonly ended: number; readonly accepted: number }[]
}

export interface Traffic {
  /** Called once per second. Returns a function that ends it. */
  watch(listener: (second: Second) => void): () => void
  stop(): void
}

/** Sends traffic while somebody watches, so that an open demonstration costs nothing. */
export function createTraffic(server: AuthorizationServer, origins: readonly string[]): Traffic {
  const listeners = new Set<(second: Second) => void>()
  let timer: NodeJS.Timeout | undefined
  let tokens: { good: string; expired: string } | undefined
  let at = 0
  let counts = empty()

  function empty() {
    return origins.map(() => ({ answers: {} as Record<number, number>, good: { ended: 0, accepted: 0 } }))
  }

  async function renew(): Promise<void> {
    const [good, expired] = await Promise.all([server.issue('read'), server.issueExpired('read')])
    tokens = { good, expired }
  }

  async function ask(
    index: number,
    token: string | undefined,
    isGood: boolean,
    needsWrite = false,
  ): Promise<void> {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const [method, path] = needsWrite ? ['POST', '/echo/post/json'] : ['GET', '/echo/get/json']
    let status = 0
    try {
      const response = await fetch(`${origins[index]}${path}`, {
        method,
        headers,
        signal: AbortSignal.timeout(PATIENCE),
      })
      status = response.status
      await response.arrayBuffer()
    } catch {} // No answer in time.
    const count = counts[index]
    if (count === undefined) return
    count.answers[status] = (count.answers[status] ?? 0) + 1
    if (isGood) count.good.ended += 1
    if (isGood && status === 200) count.good.accepted += 1
  }

  function tick(): void {
    const second = { at, answers: counts.map(({ answers }) => answers), good: counts.map(({ good }) => good) }
    if (at > 0) for (const listener of listeners) listener(second)
    at += 1
    counts = empty()
    if (at % RENEWAL === 1) renew().catch(() => {})
    if (tokens === undefined) return
    for (const index of origins.keys()) {
      for (let time = 0; time < RATE.good; time += 1) void ask(index, tokens.good, true)
      void ask(index, undefined, false)
      void ask(index, tokens.expired, false)
      void ask(index, tokens.good, false, true)
    }
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
  }

  return {
    stop,
    watch(listener) {
      listeners.add(listener)
      timer ??= setInterval(tick, 1000)
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) stop()
      }
    },
  }
}
