/**
 * The demonstration: an authorization server, an API on three hosts, and a transcript of what these answer. Then a page on which
 * you can send requests yourself.
 */

import { startApis } from './apis.ts'
import { startAuthorizationServer } from './authorization-server.ts'
import { createDemoGate } from './gate.ts'
import { createSessions } from './sessions.ts'
import { tell } from './story.ts'
import { Transcript } from './transcript.ts'

const FIRST_PORT = 4001
/** Longer than any time that the page can skip in a few clicks. In seconds. */
const LIFETIME = 7 * 86_400

const isOnce = process.argv.includes('--once')
const server = await startAuthorizationServer('read write', isOnce ? undefined : LIFETIME)
const sessions = createSessions()
const gate = createDemoGate(server.issuer, sessions)
const apis = await startApis(gate, sessions, FIRST_PORT)
const transcript = new Transcript(console.log)

console.log(`The authorization server is oidc-provider on ${server.issuer}.`)
for (const api of apis) await tell(transcript, api, server, sessions)
transcript.summary()
process.exitCode = transcript.isAsExpected ? 0 : 1

const closing = [...apis, server]
if (isOnce) await close()
else {
  const { startPage } = await import('./page/start.ts')
  const page = await startPage({ server, sessions, apis, gate }, 4000)
  closing.push(page as never)
  process.once('SIGINT', close).once('SIGTERM', close)
  console.log(`\nOpen ${page.origin} in a browser to send requests yourself. Ctrl-C ends the demonstration.`)
}

async function close(): Promise<void> {
  await Promise.all(closing.map((running) => running.close()))
}
