/** API processes on one Redis, under constant load. The checker gets each answer with what it must be at that moment. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { TestKey } from '../support/issuer.ts'
import { Ledger, type TokenClass } from './ledger.ts'
import type { Message, Order, Setup } from './redis.child.ts'

const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']

/** One API process, and what it has reported. */
export class Api {
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  readonly messages: Message[] = []
  port = 0
  /** How many revocations it knows. */
  known = 0
  /** What `onFeed` and `onResults` have reported last, of `current`, `failed` and `recovered`. */
  feedState = ''
  resultsState = 'recovered'
  /** Whether it must not accept tokens, because its feed is older than `maxLag`. */
  state: 'current' | 'perhaps late' | 'late' = 'current'
  /** The requests that have no answer yet. */
  readonly pending = new Set<Promise<void>>()

  private constructor(setup: Setup) {
    this.#child = fork(new URL('redis.child.ts', import.meta.url), [JSON.stringify(setup)], {
      execArgv: [...source, '--import', 'tsx'],
    })
    this.#child.on('message', (message: Message) => {
      this.messages.push(message)
      if ('port' in message) this.port = message.port
      if ('known' in message) this.known = message.known
      if ('feed' in message && ['current', 'failed'].includes(message.feed)) this.feedState = message.feed
      if ('results' in message && message.results !== 'invalid_entry') this.resultsState = message.results
      for (const wake of this.#waiting) wake()
    })
  }

  static async start(setup: Setup): Promise<Api> {
    const api = new Api(setup)
    await api.until(() => api.port > 0)
    return api
  }

  /** Waits until a condition holds that depends on the messages. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds())
      await new Promise<void>((resolve, reject) => {
        const ended = () => reject(new Error('The API process has ended'))
        const wake = () => {
          this.#waiting.delete(wake)
          this.#child.off('exit', ended)
          resolve()
        }
        this.#waiting.add(wake)
        this.#child.once('exit', ended)
      })
  }

  /** Returns a function that waits for the next such message after this call. */
  next(matches: (message: Message) => boolean): () => Promise<Message> {
    const from = this.messages.length
    const found = () => this.messages.slice(from).find(matches)
    return async () => {
      await this.until(() => found() !== undefined)
      return found() as Message
    }
  }

  /** Returns a function that waits until the feed reports this for the next time after this call. */
  feed(type: string): () => Promise<Message> {
    return this.next((message) => 'feed' in message && message.feed === type)
  }

  get troubles(): readonly string[] {
    return this.messages.flatMap((message) => ('trouble' in message ? [message.trouble] : []))
  }

  order(order: Order): void {
    this.#child.send(order)
  }

  /** Waits for the answers to all requests that were sent before this call. */
  async drain(): Promise<void> {
    await Promise.all(this.pending)
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** A request: the gate that it goes to, its token, and what the token is. */
export interface Sample {
  readonly path: '/signed' | '/asked' | '/control'
  readonly token: string
  readonly class: TokenClass
}

/** The tokens of introspection that the server knows begin with these words. Tokens of another form are unknown to it. */
export const ACTIVE = 'good-'
export const EXPIRED = 'expired-'

const KINDS = 7

/** Sends requests all the time, a few at once to each process. Each process answers before it gets the next one. */
export class Load {
  readonly ledger = new Ledger()
  readonly #apis: readonly Api[]
  readonly #failsClosed: boolean
  readonly #signed: readonly Sample[]
  /** The tokens whose revocation has begun, in this order. */
  readonly #revoked: string[] = []
  readonly #agent = new Agent({ keepAlive: true })
  readonly #workers: Promise<void>[]
  /** Called with the class, the path and the milliseconds of each answer. */
  readonly #measure: (sample: Sample, took: number, status: number) => void
  #isEnding = false
  #count = 0

  private constructor(
    apis: readonly Api[],
    signed: readonly Sample[],
    { failsClosed, workers = 2, measure = () => {} }: LoadOptions,
  ) {
    this.#apis = apis
    this.#failsClosed = failsClosed
    this.#signed = signed
    this.#measure = measure
    this.#workers = apis.flatMap((api) => Array.from({ length: workers }, () => this.#work(api)))
  }

  /** Signs the tokens, and begins. */
  static async begin(apis: readonly Api[], key: TestKey, options: LoadOptions): Promise<Load> {
    const now = Math.floor(Date.now() / 1000)
    const sign = (claims: object) => key.sign({ iat: now - 10, exp: now + 3600, ...claims })
    const good = await sign({ jti: 'good' })
    const signed: [string, TokenClass][] = [
      [good, 'good'],
      [await sign({ jti: 'good-too' }), 'good'],
      [await sign({ jti: 'expired', exp: now - 3600, iat: now - 7200 }), 'expired'],
      [
        `${good.slice(0, good.lastIndexOf('.'))}.${Buffer.alloc(64, 7).toString('base64url')}`,
        'forged signature',
      ],
      ['made-up', 'garbage'],
    ]
    const samples = signed.map(([token, name]) => ({ path: '/signed', token, class: name }) as const)
    return new Load(apis, samples, options)
  }

  /** Adds a token that is being revoked from now on. */
  revoking(token: string): void {
    this.#revoked.push(token)
  }

  /** Waits until every process has answered so many requests that were sent after this call. */
  async more(count: number): Promise<void> {
    await Promise.all(
      this.#apis.map(async (api) => {
        const wanted = this.#answered(api) + count + api.pending.size
        while (this.#answered(api) < wanted) await Promise.race(api.pending)
      }),
    )
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await Promise.all(this.#workers)
    this.#agent.destroy()
  }

  readonly #counts = new Map<Api, number>()
  #answered(api: Api): number {
    return this.#counts.get(api) ?? 0
  }

  async #work(api: Api): Promise<void> {
    while (!this.#isEnding) {
      const sent = this.#send(api, this.#pick())
      api.pending.add(sent)
      await sent
      api.pending.delete(sent)
      this.#counts.set(api, this.#answered(api) + 1)
    }
  }

  /** Takes the kinds of requests in turns. Tokens of introspection come to every process a few times. */
  #pick(): Sample {
    this.#count += 1
    const turn = Math.floor(this.#count / KINDS)
    switch (this.#count % KINDS) {
      case 0:
        return { path: '/asked', token: `${ACTIVE}${Math.floor(turn / 6)}`, class: 'good' }
      case 1:
        return { path: '/asked', token: `made-up-${Math.floor(turn / 3)}`, class: 'garbage' }
      case 2:
        return { path: '/asked', token: `${EXPIRED}${turn}`, class: 'expired' }
      case 3:
        return this.#sample(this.#signed, turn)
      case 4:
        return this.#sample(this.#signed.slice(0, 2), turn)
      case 5:
        return { path: '/control', token: this.#signed[0]?.token ?? '', class: 'good' }
      default: {
        const token = this.#revoked[turn % this.#revoked.length]
        if (token === undefined) return this.#sample(this.#signed, turn)
        return { path: '/signed', token, class: 'revoked' }
      }
    }
  }

  #sample(samples: readonly Sample[], turn: number): Sample {
    return samples[turn % samples.length] as Sample
  }

  /** What the token is to this process now. */
  #classOf(api: Api, { path, token, class: name }: Sample): TokenClass {
    if (path !== '/signed') return name
    if (name === 'revoked') {
      const isKnown = this.#revoked.indexOf(token) < api.known
      return isKnown || api.state === 'late' ? name : 'being revoked'
    }
    if (name !== 'good' || api.state === 'current') return name
    return api.state === 'late' ? 'unchecked' : 'perhaps unchecked'
  }

  async #send(api: Api, sample: Sample): Promise<void> {
    const id = this.ledger.sent()
    const name = this.#classOf(api, sample)
    // By the state when it is sent, or when it is answered: it may change in between.
    const wasLate = api.state !== 'current'
    const began = performance.now()
    const status = await this.#status(api, sample)
    this.#measure(sample, performance.now() - began, status)
    const mayFail = this.#failsClosed && (wasLate || api.state !== 'current')
    this.ledger.came(id, name, status === 0 ? 'lost' : status, mayFail)
  }

  /** Returns the status of the answer, 0 if there was none. */
  #status(api: Api, { path, token }: Sample): Promise<number> {
    return new Promise((resolve) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: api.port,
          path,
          agent: this.#agent,
          headers: { authorization: `Bearer ${token}` },
        },
        (response) => {
          response.resume()
          response.once('close', () => resolve(response.complete ? (response.statusCode ?? 0) : 0))
        },
      )
      sent.once('error', () => resolve(0))
      sent.end()
    })
  }
}

interface LoadOptions {
  /** Whether `ifUnavailable` is `reject`. */
  readonly failsClosed: boolean
  /** How many requests each process gets at once. */
  readonly workers?: number
  readonly measure?: (sample: Sample, took: number, status: number) => void
}
