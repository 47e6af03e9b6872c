/** Servers as child processes, on a core of their own where `taskset` is found. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Setup } from './authority.ts'
import type { PeerId } from './peers.ts'

export interface Server {
  readonly origin: string
  stop(): void
}

/** Whether a command is found on the path. */
export function hasCommand(name: string, ...args: readonly string[]): boolean {
  return spawnSync(name, args, { stdio: 'ignore' }).error === undefined
}

export const isPinned = cpus().length > 1 && hasCommand('taskset', '--version')

export const ALL_CORES = `0-${cpus().length - 1}`

/** Leaves core 0 to the servers: this process, its threads, and the load generator take core 1. */
export function pinSelf(): void {
  if (isPinned) execFileSync('taskset', ['-acp', '1', String(process.pid)], { stdio: 'ignore' })
}

/** A script of this folder as a process on these cores, without the source condition: bearergate is loaded from `dist`. */
export function startScript(script: string, cores: string, ...args: readonly string[]): ChildProcess {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const node = [process.execPath, '--import', 'tsx', file, ...args]
  const [command, ...rest] = isPinned ? ['taskset', '-c', cores, ...node] : node
  return spawn(command as string, rest, {
    // The package's own folder is where `--import tsx` is resolved from.
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

/** The first message of a child; rejects where it ends or stays silent for too long. */
export async function messageOf<T>(child: ChildProcess, seconds: number): Promise<T> {
  const ended = new AbortController()
  child.once('exit', () => ended.abort(new Error('The process ended without an answer')))
  const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(seconds * 1000)])
  try {
    const [message] = (await once(child, 'message', { signal })) as [T]
    return message
  } catch (cause) {
    child.kill()
    throw new Error('A child process did not answer', { cause })
  }
}

export async function startServer(id: PeerId, setup: Setup): Promise<Server> {
  const child = startScript('./serve.ts', '0', id)
  child.send(setup)
  const { origin, built } = await messageOf<{ origin: string; built: boolean }>(child, 30)
  if (!built) throw new Error('bearergate must be measured from dist')
  return { origin, stop: () => child.kill() }
}
