/** The demonstration with its page, in the process of the test. */

import { spawnSync } from 'node:child_process'
import { startApis } from '../../examples/demo/apis.ts'
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { createDemoGate } from '../../examples/demo/gate.ts'
import { startPage } from '../../examples/demo/page/start.ts'
import { createSessions } from '../../examples/demo/sessions.ts'
import { passTime, timePassed } from '../../examples/demo/time.ts'

export interface Demo {
  readonly origin: string
  readonly server: AuthorizationServer
  close(): Promise<void>
}

export async function startDemo(): Promise<Demo> {
  const server = await startAuthorizationServer('read write', 7 * 86_400)
  const sessions = createSessions()
  const gate = createDemoGate(server.issuer, sessions)
  const apis = await startApis(gate, sessions)
  const page = await startPage({ server, sessions, apis, gate }, 0)
  return {
    origin: page.origin,
    server,
    async close() {
      passTime(-timePassed())
      await Promise.all([page, server, ...apis].map((running) => running.close()))
    },
  }
}

/** Calls the server of the page as the page does. */
export async function call<Answer>({ origin }: Demo, path: string, sent: object): Promise<Answer> {
  const response = await fetch(`${origin}/api/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(sent),
  })
  return (await response.json()) as Answer
}

/** Whether a program can be run with these arguments. Otherwise says in one line what is not tested. */
export function canRun(what: string, command: string, ...args: readonly string[]): boolean {
  const { status } = spawnSync(command, args, { stdio: 'ignore' })
  if (status !== 0) console.warn(`${what}: not installed, so its tests are skipped`)
  return status === 0
}
