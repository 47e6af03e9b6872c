/** Starts `service.ts` as a process and reads its messages. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { suspend } from '../support/suspend.ts'

export interface Vitals {
  readonly rss: number
  readonly heapUsed: number
  readonly handles: number
  readonly delayP99: number
  readonly delayMax: number
}

interface Message {
  readonly address?: AddressInfo
  readonly keySet?: 'refreshed' | 'failed'
  readonly trouble?: string
  readonly vitals?: Vitals
  readonly request?: 'came' | 'left'
  readonly passed?: number
  /** What kept the process alive just after it was closed. */
  readonly closed?: readonly string[]
}

export type Options = Readonly<Record<string, unknown>> & {
  /** The options of `introspection`. Without it the others are those of `createGate`. */
  readonly asked?: object
  /** Its clock moves by `pass` only, and it reports its requests. */
  readonly stopped?: boolean
}

const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']

export class Service {
  static readonly #running = new Set<Service>()
  readonly #child: ChildProcess
  port = 0
  /** The result of each attempt to fetch keys. */
  readonly keySets: string[] = []
  /** Unhandled rejections, uncaught exceptions and warnings. */
  readonly troubles: string[] = []
  /** How many requests have come, and from how many the client has left before the answer. With `stopped` only. */
  readonly requests = { came: 0, left: 0 }

  private constructor(options: Options) {
    const module = fileURLToPath(new URL('service.ts', import.meta.url))
    this.#child = fork(module, [JSON.stringify(options)], {
      execArgv: [...source, '--import', 'tsx', '--expose-gc'],
    })
    Service.#running.add(this)
    this.#child.once('exit', () => Service.#running.delete(this))
    this.#child.on('message', ({ keySet, trouble, request }: Message) => {
      if (keySet !== undefined) this.keySets.push(keySet)
      if (trouble !== undefined) this.troubles.push(trouble)
      if (request !== undefined) this.requests[request] += 1
    })
  }

  static async start(options: Options): Promise<Service> {
    const service = new Service(options)
    service.port = (await service.#next('address')).port
    return service
  }

  /** Kills those that a failed test has left behind. */
  static async killLeft(): Promise<void> {
    await Promise.all([...Service.#running].map((service) => service.kill()))
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  vitals(): Promise<Vitals> {
    const vitals = this.#next('vitals')
    this.#child.send('vitals')
    return vitals
  }

  /** Advances its clock by so many seconds. While it is stopped, the message waits for it. */
  async pass(seconds: number): Promise<void> {
    const passed = this.#next('passed')
    this.#child.send({ pass: seconds })
    await passed
  }

  /** Closes its server and its gate, and returns what it still holds just after that, and its exit code once it has ended. */
  async beginClose(): Promise<{ resources: readonly string[]; code: Promise<number | null> }> {
    const code = once(this.#child, 'exit').then(([code]) => code)
    const resources = this.#next('closed')
    this.#child.send('close')
    return { resources: await resources, code }
  }

  /** Closes its server and its gate, and waits until it ends by itself. Returns its exit code. */
  async close(): Promise<number | null> {
    const { code } = await this.beginClose()
    return code
  }

  /** Stops the process with SIGSTOP. Once it continues, so many seconds of its own clock have passed at once. */
  async standStill(seconds: number, meanwhile: () => void = () => {}): Promise<void> {
    await suspend(this.#child)
    // It reads this message when it continues, and before whatever reaches its sockets later.
    const passed = this.pass(seconds)
    meanwhile()
    this.#child.kill('SIGCONT')
    await passed
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  #next<K extends 'address' | 'vitals' | 'passed' | 'closed'>(name: K): Promise<NonNullable<Message[K]>> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`The service ended with ${code}`))
      const hear = (message: Message) => {
        const value = message[name]
        if (value === undefined || value === null) return
        this.#child.off('message', hear).off('exit', ended)
        resolve(value as NonNullable<Message[K]>)
      }
      this.#child.on('message', hear).once('exit', ended)
    })
  }
}
