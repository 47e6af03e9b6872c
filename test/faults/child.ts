/** Starts `service.ts` as a process and listens to what it says. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

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
}

/** Those of `createGate` that JSON can carry, or `asked`, those of `introspection`; and what the process is told besides. */
export type Options = Readonly<Record<string, unknown>> & { readonly speed?: number }

const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']

/** Has the monotonic clock run so many times as fast; timers and deadlines do not. */
function faster(speed: number): string {
  return `const now = performance.now.bind(performance); performance.now = () => now() * ${speed}`
}

export class Service {
  static readonly #running = new Set<Service>()
  readonly #child: ChildProcess
  port = 0
  /** What came of each attempt to fetch keys. */
  readonly keySets: string[] = []
  /** Rejections that nobody handled, exceptions that nobody caught, warnings. */
  readonly troubles: string[] = []

  private constructor(options: Options) {
    const { speed, ...others } = options
    const clock = speed === undefined ? [] : ['--import', `data:text/javascript,${faster(speed)}`]
    const module = fileURLToPath(new URL('service.ts', import.meta.url))
    this.#child = fork(module, [JSON.stringify(others)], {
      execArgv: [...source, '--import', 'tsx', ...clock, '--expose-gc'],
    })
    Service.#running.add(this)
    this.#child.once('exit', () => Service.#running.delete(this))
    this.#child.on('message', ({ keySet, trouble }: Message) => {
      if (keySet !== undefined) this.keySets.push(keySet)
      if (trouble !== undefined) this.troubles.push(trouble)
    })
  }

  static async start(options: Options): Promise<Service> {
    const service = new Service(options)
    service.port = (await service.#next('address')).port
    return service
  }

  /** Kills those that a test which failed has left. */
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

  /** Closes its server and its gate. How long the process lived on, in milliseconds, and its exit code. */
  async close(): Promise<{ elapsed: number; code: number | null }> {
    const ended = once(this.#child, 'exit')
    const start = performance.now()
    this.#child.send('close')
    const [code] = await ended
    return { elapsed: performance.now() - start, code }
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name)
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  #next<K extends 'address' | 'vitals'>(name: K): Promise<NonNullable<Message[K]>> {
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
