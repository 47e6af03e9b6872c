/** examples/spa in a real browser: CORS, the challenge, a new token after 401, none after 403, and backoff after 503. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  type AuthorizationServer,
  CLIENT,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { send } from '../support/server.ts'

const browserPath = spawnSync('which', ['chromium'], { encoding: 'utf8' }).stdout?.trim() || undefined
if (browserPath === undefined) console.warn('Chromium: not installed, so examples/spa is not tested')

describe.skipIf(browserPath === undefined)('examples/spa', () => {
  let issuer: AuthorizationServer
  let child: ChildProcess
  let browser: Browser
  let page: Page
  let sent: string[] = []

  beforeAll(async () => {
    issuer = await startAuthorizationServer('read:messages admin')
    const cwd = fileURLToPath(new URL('../../examples/spa/', import.meta.url))
    const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
    const env = {
      ...process.env,
      ISSUER: issuer.issuer,
      AUDIENCE,
      CLIENT_ID: CLIENT.id,
      CLIENT_SECRET: CLIENT.secret,
      PORT: '0',
    }
    child = spawn(process.execPath, [...conditions, '--import', 'tsx', 'app.ts'], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line')
    const origin = String(line).replace('Listening on ', '')
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox'] })
    page = await browser.newPage()
    page.on('request', (request) => sent.push(`${request.method()} ${new URL(request.url()).pathname}`))
    await page.goto(origin, { waitUntil: 'networkidle' })
  })
  afterAll(async () => {
    await browser?.close()
    child?.kill()
    if (child !== undefined && child.exitCode === null) await once(child, 'exit')
    await issuer?.close()
  })

  /** Presses a button, waits for the last attempt, and returns all of them. */
  async function press(name: string, last: string): Promise<readonly string[]> {
    sent = []
    await page.getByRole('button', { name }).click()
    await page.locator('li').filter({ hasText: last }).waitFor()
    return page.locator('li').allTextContents()
  }

  it('keeps its token during an outage, and repeats the request until the API can check it', async () => {
    // The API has no keys yet, and cannot get them.
    await page.route('**/token', async (route) => {
      const response = await route.fetch()
      issuer.become('stopped')
      await route.fulfill({ response })
    })
    const pressed = press('Read the messages', '200')
    await page
      .locator('li')
      .filter({ hasText: /^503 again in/ })
      .first()
      .waitFor()
    issuer.become('up')
    const attempts = await pressed
    await page.unroute('**/token')
    expect(attempts.at(-1)).toBe('200')
    expect(attempts.slice(0, -1).every((attempt) => /^503 again in \d+\.\d s$/.test(attempt))).toBe(true)
    expect(sent.filter((request) => request === 'POST /token')).toHaveLength(1)
    expect(await page.locator('output').textContent()).toBe('{"hello":"demo-client"}')
  })

  it('reads the challenge of a 401, gets one new token, and repeats the request', async () => {
    await page.getByRole('button', { name: 'Break my token' }).click()
    expect(await press('Read the messages', '200')).toEqual(['401 invalid_token', '200'])
    expect(sent.filter((request) => !request.startsWith('OPTIONS'))).toEqual([
      'GET /api/messages',
      'POST /token',
      'GET /api/messages',
    ])
  })

  it('does not repeat a request after 403, and shows the reason', async () => {
    expect(await press('Delete the messages', '403')).toEqual(['403 insufficient_scope'])
    expect(sent.filter((request) => !request.startsWith('OPTIONS'))).toEqual(['DELETE /api/messages'])
    await page.getByText(/scope/).waitFor()
  })

  it('gives a token to its own page only', async () => {
    const { origin } = new URL(page.url())
    for (const headers of [[], ['Origin', 'https://evil.example']])
      expect((await send(`${origin}/token`, { method: 'POST', headers })).status).toBe(403)
  })
})
