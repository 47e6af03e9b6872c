/** The demonstration: an authorization server, an API on three hosts, and a transcript of what these answer. */

import { startApis } from './apis.ts'
import { startAuthorizationServer } from './authorization-server.ts'
import { curlLines } from './curl.ts'
import { createDemoGate } from './gate.ts'
import { createSessions } from './sessions.ts'
import { tell } from './story.ts'
import { Transcript } from './transcript.ts'

const FIRST_PORT = 4001

const server = await startAuthorizationServer('read write')
const sessions = createSessions()
const apis = await startApis(createDemoGate(server.issuer, sessions), sessions, FIRST_PORT)
const transcript = new Transcript(console.log)

console.log(`The authorization server is oidc-provider on ${server.issuer}.`)
for (const api of apis) await tell(transcript, api, server, sessions)
transcript.summary()
process.exitCode = transcript.isAsExpected ? 0 : 1

if (process.argv.includes('--once')) await close()
else {
  process.once('SIGINT', close).once('SIGTERM', close)
  for (const line of await curlLines(apis, server, sessions)) console.log(line)
  console.log('\nServing until Ctrl-C.')
}

async function close(): Promise<void> {
  await Promise.all([...apis, server].map((running) => running.close()))
}
