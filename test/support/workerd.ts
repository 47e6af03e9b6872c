/** Starts a Worker on workerd, if that is installed (`npm ci --prefix test/runtimes`). */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Running } from './server.ts'

const WORKERD = fileURLToPath(
  new URL('../runtimes/node_modules/@cloudflare/workerd-linux-64/bin/workerd', import.meta.url),
)

export const hasWorkerd = existsSync(WORKERD)
if (!hasWorkerd) console.warn('workerd is not installed: npm ci --prefix test/runtimes')

/** @param program a module in one file; the configuration is written beside it */
export async function startWorker(
  program: string,
  variables: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<Running> {
  const bindings = Object.entries(variables).map(([name, value]) => `(name = "${name}", text = "${value}")`)
  const config = join(dirname(program), 'config.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "${basename(program)}")],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = [${flags.map((flag) => `"${flag}"`).join(', ')}],
  bindings = [${bindings.join(', ')}],
);
`,
  )
  const server = spawn(WORKERD, ['serve', config, '--control-fd=3'], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  const close = async () => void server.kill('SIGKILL')
  try {
    return { origin: `http://127.0.0.1:${await portOf(server)}`, close }
  } catch (cause) {
    await close()
    throw cause
  }
}

/** Returns the port of a workerd, which reports on its control channel, a line of JSON each, when it listens. */
function portOf(server: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('exit', (code) => reject(new Error(`workerd ended with ${code}`)))
    let told = ''
    const control = server.stdio[3] as Readable
    control.setEncoding('utf8').on('data', (chunk: string) => {
      told += chunk
      const port = /^\{"event":"listen","socket":"http","port":(\d+)\}$/m.exec(told)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  })
}
