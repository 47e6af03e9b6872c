/** A Worker on workerd, where that is installed (`npm ci --prefix test/runtimes`). */

import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, type Running, send } from './server.ts'

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
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
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
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "${basename(program)}")],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = [${flags.map((flag) => `"${flag}"`).join(', ')}],
  bindings = [${bindings.join(', ')}],
);
`,
  )
  const server = spawn(WORKERD, ['serve', config], { stdio: 'ignore' })
  const close = async () => void server.kill('SIGKILL')
  const until = performance.now() + 10_000
  for (;;)
    try {
      await send(`${origin}/ready`)
      return { origin, close }
    } catch (cause) {
      if (performance.now() > until || server.exitCode !== null) {
        await close()
        throw cause
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
}
