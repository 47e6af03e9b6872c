/** Real clients, curl and Python requests, against the three hosts: what they send arrives, and what they get they can read. */

import { spawn, spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, startApis } from '../../examples/demo/apis.ts'
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { createDemoGate } from '../../examples/demo/gate.ts'
import { createSessions } from '../../examples/demo/sessions.ts'

const EMPLOYEE = { employee: { name: 'Emma', age: 28, city: 'Boston' } }
const HOSTS = ['Express', 'Koa', 'fetch'] as const

interface Asked {
  readonly url: string
  readonly token?: string
  /** Sent as JSON by POST; without it, the request is a GET. */
  readonly json?: unknown
}

interface Answered {
  readonly status: number
  readonly challenge: string | null
  readonly body: unknown
}

interface Client {
  readonly name: string
  readonly isHere: boolean
  ask(asked: Asked): Promise<Answered>
}

const python = ['python3', '/usr/bin/python3'].find((name) => runs(name, ['-c', 'import requests']))
const CLIENTS: readonly Client[] = [
  { name: 'curl', isHere: runs('curl', ['--version']), ask: askWithCurl },
  { name: 'Python requests', isHere: python !== undefined, ask: askWithRequests },
]

for (const { name, isHere } of CLIENTS) if (!isHere) console.warn(`Skipped: ${name} is not installed.`)

let issuer: AuthorizationServer
let apis: readonly Api[]

beforeAll(async () => {
  issuer = await startAuthorizationServer('read write')
  const sessions = createSessions()
  apis = await startApis(createDemoGate(issuer.issuer, sessions), sessions)
})
afterAll(async () => {
  await Promise.all([...apis, issuer].map((running) => running.close()))
})

describe.each(CLIENTS)('$name', ({ isHere, ask }) => {
  describe.each(HOSTS)('against %s', (host) => {
    const url = (path: string) => `${apis.find(({ name }) => name === host)?.origin}${path}`

    it.skipIf(!isHere)('gets 200 for a GET with a good token', async () => {
      const token = await issuer.issue('read write')
      const { status, challenge, body } = await ask({ url: url('/echo/get/json'), token })
      expect({ status, challenge }).toEqual({ status: 200, challenge: null })
      expect(body).toMatchObject({ from: { subject: 'demo-client' }, sent: null })
    })

    it.skipIf(!isHere)('gets its JSON back for a POST with a good token', async () => {
      const token = await issuer.issue('read write')
      const { status, body } = await ask({ url: url('/echo/post/json'), token, json: EMPLOYEE })
      expect(status).toBe(200)
      expect(body).toMatchObject({ sent: EMPLOYEE })
    })

    it.skipIf(!isHere)('gets 401 and sees the challenge without a token', async () => {
      const body = {
        error_description: 'An access token is required. Send the header Authorization: Bearer <token>',
      }
      const refused = { status: 401, challenge: 'Bearer realm="api"', body }
      expect(await ask({ url: url('/echo/get/json') })).toEqual(refused)
      expect(await ask({ url: url('/echo/post/json'), json: EMPLOYEE })).toEqual(refused)
    })

    it.skipIf(!isHere)('gets 401 and sees the error with a token that expired', async () => {
      const token = await issuer.issueExpired('read write')
      const { status, challenge, body } = await ask({ url: url('/echo/post/json'), token, json: EMPLOYEE })
      expect(status).toBe(401)
      expect(challenge).toContain('error="invalid_token"')
      expect(body).toMatchObject({ error: 'invalid_token' })
    })
  })
})

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { timeout: 10_000 }).status === 0
}

/** What a process prints that gets this on its standard input. */
async function printed(command: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(command, args, { timeout: 10_000 })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  child.stdin.end(input)
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${errors}`)
  return output
}

async function askWithCurl({ url, token, json }: Asked): Promise<Answered> {
  const headers = [
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(json === undefined ? [] : ['Content-Type: application/json']),
  ]
  const data = json === undefined ? [] : ['--data', JSON.stringify(json)]
  const flags = ['--disable', '--silent', '--show-error', '--include', '--noproxy', '*', '--max-time', '5']
  const output = await printed('curl', [...flags, '--header', '@-', ...data, url], headers.join('\n'))
  const end = output.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = output.slice(0, end).split('\r\n')
  const challenge = lines.find((line) => /^www-authenticate:/i.test(line))
  return {
    status: Number(statusLine.split(' ')[1]),
    challenge: challenge?.slice(challenge.indexOf(':') + 1).trim() ?? null,
    body: JSON.parse(output.slice(end)) as unknown,
  }
}

const REQUESTS = `
import json, sys, requests
asked = json.load(sys.stdin)
session = requests.Session()
session.trust_env = False
headers = {'Authorization': 'Bearer ' + asked['token']} if 'token' in asked else {}
if 'json' in asked:
    answer = session.post(asked['url'], headers=headers, json=asked['json'], timeout=5)
else:
    answer = session.get(asked['url'], headers=headers, timeout=5)
json.dump({
    'status': answer.status_code,
    'challenge': answer.headers.get('WWW-Authenticate'),
    'body': answer.json(),
}, sys.stdout)
`

async function askWithRequests(asked: Asked): Promise<Answered> {
  return JSON.parse(await printed(python ?? '', ['-c', REQUESTS], JSON.stringify(asked))) as Answered
}
