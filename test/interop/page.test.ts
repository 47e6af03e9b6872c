/** The page of the demonstration in a real browser: every control, two widths, both colour schemes, and accessibility. */

import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call, type Demo, startDemo } from '../support/demo-world.ts'
import { send } from '../support/server.ts'

/** Kept after the test, so that somebody looks at them. */
const SCREENS = fileURLToPath(new URL('made-screens/', import.meta.url))
/** The picture of the README. `BEARERGATE_UPDATE=1` writes it again. */
const PICTURE = fileURLToPath(new URL('../../examples/demo/page.png', import.meta.url))

/** The words of the focused control. */
const FOCUSED =
  "(document.activeElement.closest('label')?.querySelector('span') ?? document.activeElement).textContent"

const browserPath = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout?.trim())
  .find((path) => path !== undefined && path !== '')
if (browserPath === undefined) console.warn('Chromium: not installed, so the page is not tested in a browser')

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo.close())

describe.skipIf(browserPath === undefined)('the page', () => {
  let browser: Browser
  beforeAll(async () => {
    mkdirSync(SCREENS, { recursive: true })
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox'] })
  })
  afterAll(() => browser?.close())

  /** Opens the page, and closes it after the test, which fails for any error in the browser. */
  async function open<T>(test: (page: Page) => Promise<T>, options: BrowserContextOptions = {}): Promise<T> {
    const context = await browser.newContext({
      permissions: ['clipboard-read', 'clipboard-write'],
      ...options,
    })
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    const errors: string[] = []
    page.on('pageerror', ({ message }) => errors.push(message))
    page.on('console', (message) => {
      // A request that cannot be sent is a mistake of the user, and the browser logs each 400.
      const isMistake = /status of 400/.test(message.text())
      if (message.type() === 'error' && !isMistake) errors.push(message.text())
    })
    await page.goto(demo.origin)
    await page.getByRole('button', { name: 'Send' }).waitFor()
    const result = await test(page)
    await context.close()
    expect(errors).toEqual([])
    return result
  }

  const requests = (page: Page) => page.locator('#request')

  /** Waits for the token of a kind, and sends the request. Returns the status that the page shows. */
  async function ask(page: Page, kind: string, own?: string): Promise<string> {
    const made = page.waitForResponse('**/api/token')
    made.catch(() => {}) // None is made for a token of your own.
    await requests(page).getByRole('combobox', { name: 'Token' }).selectOption({ label: kind })
    if (own === undefined) await made
    else await requests(page).getByLabel('Your token').fill(own)
    return press(page)
  }

  async function press(page: Page): Promise<string> {
    const answered = page.waitForResponse('**/api/send')
    await requests(page).getByRole('button', { name: 'Send' }).click()
    await (await answered).finished()
    await requests(page).locator('button[type=submit]:enabled').waitFor()
    return String(await requests(page).locator('.answer .status').textContent())
  }

  it('shows the right answer to each kind of token, on each host, and says why', async () => {
    await open(async (page) => {
      const kinds = [
        ['no token', '401', /no token/],
        ['a JWT that was changed', '401', /changed after it was signed/],
        ['an opaque token that was revoked', '401', /unknown/],
        ['an opaque token', '200', /valid/],
        ['an expired JWT', '401', /expired \d+ s/],
        ['a JWT for another API', '401', /another API/],
        ['a JWT with the scope read only', '200', /valid/],
      ] as const
      for (const host of ['Express', 'Koa', 'fetch']) {
        await requests(page).getByText(host, { exact: true }).click()
        for (const [kind, status, why] of kinds) {
          expect([host, kind, await ask(page, kind)]).toEqual([host, kind, status])
          expect(await requests(page).locator('.verdict').textContent()).toMatch(why)
          expect(await requests(page).locator('.rfc').textContent()).toMatch(/^RFC \d{4} §/)
        }
        expect(await ask(page, 'your own', 'two words')).toBe('400')
      }
    })
  })

  it('sends each route with its body, and shows the raw request, the raw response and the challenge', async () => {
    await open(async (page) => {
      const section = requests(page)
      await section.getByLabel('Route').selectOption('POST /echo/post/json')
      expect(await ask(page, 'an opaque token')).toBe('200')
      expect(await section.getByLabel('Response', { exact: true }).textContent()).toContain('"city":"Boston"')
      await section.getByLabel('Route').selectOption('POST /echo/post/form')
      expect(await press(page)).toBe('200')
      expect(await section.getByLabel('Request', { exact: true }).textContent()).toContain(
        'application/x-www-form-urlencoded',
      )
      expect(await ask(page, 'a JWT with the scope read only')).toBe('403')
      const challenge = await section.locator('.answer table').textContent()
      expect(challenge).toMatch(/error\s*insufficient_scope/)
      expect(challenge).toMatch(/scope\s*write/)
      await section.getByLabel('Headers').fill('Authorization: Bearer other')
      expect(await ask(page, 'an opaque token')).toBe('400')
      expect(await section.locator('.verdict').textContent()).toMatch(/several lines/)
      await section.getByLabel('Headers').fill('Authorization: Basic YTpi\nno colon')
      await section.getByRole('combobox', { name: 'Token' }).selectOption({ label: 'no token' })
      await section.getByRole('button', { name: 'Send' }).click()
      await section
        .getByRole('alert')
        .getByText(/header name/i)
        .waitFor()
    })
  })

  it('explains a token that cannot be sent, and shows no former answer next to it', async () => {
    await open(async (page) => {
      expect(await ask(page, 'an opaque token')).toBe('200')
      await requests(page).getByLabel('The token, which you can change').fill('two\nlines')
      await requests(page).getByRole('button', { name: 'Send' }).click()
      await requests(page).getByRole('alert').getByText('There is a line break in the token').waitFor()
      expect(await requests(page).locator('.answer .status').count()).toBe(0)
      expect(await requests(page).getByRole('combobox', { name: 'Token' }).inputValue()).toBe('own')
    })
  })

  it('shows the request in seven languages, without a real token by default, and copies it', async () => {
    await open(async (page) => {
      const code = page.locator('.snippets .code')
      for (const name of ['curl', 'Python', 'JavaScript', 'Node.js', 'PHP', 'Java', 'C#']) {
        await page.locator('.snippets').getByText(name, { exact: true }).click()
        await code.getByText('YOUR_TOKEN').waitFor()
        expect(await code.textContent()).not.toContain('eyJ')
      }
      await page.getByLabel('with the token').check()
      await code.getByText('eyJ').waitFor()
      await page.getByRole('button', { name: 'Copy' }).click()
      await page.getByRole('button', { name: 'Copied' }).waitFor()
      expect(await page.evaluate('navigator.clipboard.readText()')).toContain('eyJ')
    })
  })

  it('logs in, uses the opaque token, logs out, and shows that the token is rejected', async () => {
    await open(async (page) => {
      const section = page.locator('#login')
      const press = async (name: string, count: number) => {
        await section.getByRole('button', { name, exact: true }).click()
        await section
          .locator('.steps li')
          .nth(count - 1)
          .waitFor()
      }
      await section.getByText('a guest').click()
      await press('Log in', 1)
      await press('Read', 2)
      await press('Write', 3)
      await press('Log out', 4)
      await press('Read', 5)
      const statuses = await section.locator('.steps .status').allInnerTexts()
      expect(statuses).toEqual(['200', '200', '403', '200', '401'])
    })
  })

  it('inspects a token: decodes it, and shows each check with its result', async () => {
    await open(async (page) => {
      const section = page.locator('#inspect')
      await ask(page, 'an expired JWT')
      await page.getByRole('button', { name: 'Inspect this token' }).click()
      await section.locator('tr.failed').waitFor()
      expect(await section.locator('tr.failed th').textContent()).toMatch(/dates/)
      expect(await section.getByLabel('Claims of the token').textContent()).toContain('"exp"')
      expect(await section.locator('tr.passed').count()).toBeGreaterThan(10)
      const { token } = await call<{ token: string }>(demo, 'token', { kind: 'jwt' })
      await section.getByRole('textbox', { name: 'Token' }).fill(`"${token}"`)
      await section.getByText('There are quotation marks around the token.').waitFor()
      await section.getByRole('textbox', { name: 'Token' }).fill(token)
      await section.getByText('The gate accepts this token.').waitFor()
    })
  })

  it('shows that good tokens keep working during an outage, unlike behind the other package', async () => {
    await open(async (page) => {
      const section = page.locator('#outage')
      const press = (name: string) => section.getByRole('button', { name, exact: true }).click()
      const shares = async (own: string, rival: string) => {
        await section.locator('[data-good=bearergate]').getByText(own, { exact: true }).waitFor()
        await section
          .locator('[data-good=express-oauth2-jwt-bearer]')
          .getByText(rival, { exact: true })
          .waitFor()
      }
      await shares('100 %', '100 %')
      await press('Stop')
      await press('20 minutes later')
      await shares('100 %', '0 %')
      await press('Hang')
      await section.getByText('accepts requests, and never answers').waitFor()
      await press('Run')
      await shares('100 %', '100 %')
      await press('Rotate the keys')
      await section.getByText('publishes 2 keys').waitFor()
      await press('Remove the former keys')
      await section.getByText('publishes one key').waitFor()
      await shares('100 %', '100 %')
    })
  })

  it('can be used by keyboard', async () => {
    await open(async (page) => {
      await requests(page).getByLabel('Express').focus()
      await page.keyboard.press('ArrowRight')
      expect(await requests(page).getByLabel('Koa').isChecked()).toBe(true)
      await requests(page).getByLabel('Route').focus()
      const order: string[] = []
      for (let step = 0; step < 5; step += 1) {
        await page.keyboard.press('Tab')
        order.push(String(await page.evaluate(FOCUSED)))
      }
      expect(order).toEqual([
        'Token',
        'The token, which you can change',
        'Headers',
        'Send',
        'Inspect this token',
      ])
      await requests(page).getByRole('button', { name: 'Send' }).focus()
      await page.keyboard.press('Enter')
      await requests(page).locator('.answer .status').waitFor()
    })
  })

  it.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)(
    'is accessible, and fits its window, at %d pixels in the %s scheme',
    async (width, colorScheme) => {
      const viewport = { width, height: 900 }
      await open(
        async (page) => {
          await ask(page, 'a JWT for another API')
          await page.getByRole('button', { name: 'Inspect this token' }).click()
          await page.locator('tr.failed').waitFor()
          await page.locator('#login').getByRole('button', { name: 'Log in', exact: true }).click()
          await page.locator('.steps li').waitFor()
          await page.locator('[data-good=bearergate]').getByText('100 %').waitFor()
          await page.evaluate(axe.source)
          const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults
          const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
          expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
          const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
          expect(overflow).toBeLessThanOrEqual(0)
          await page.screenshot({ path: `${SCREENS}${width}-${colorScheme}.png`, fullPage: true })
          if (width === 1280 && colorScheme === 'light' && process.env.BEARERGATE_UPDATE === '1') {
            await page.evaluate('scrollTo(0, 0)')
            await page.screenshot({ path: PICTURE, clip: { x: 0, y: 0, width, height: 760 } })
          }
        },
        { viewport, colorScheme },
      )
    },
  )

  it('loads less than 300 kB, and nothing from anywhere else', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const loaded: { url: string; bytes: number }[] = []
    page.on('response', async (response) => {
      const bytes = response.url().includes('/api/live') ? 0 : (await response.body().catch(() => '')).length
      loaded.push({ url: response.url(), bytes })
    })
    await page.goto(demo.origin, { waitUntil: 'load' })
    await page.getByRole('button', { name: 'Send' }).waitFor()
    await context.close()
    expect(loaded.map(({ url }) => new URL(url).origin).filter((origin) => origin !== demo.origin)).toEqual(
      [],
    )
    expect(loaded.length).toBeGreaterThan(3)
    expect(loaded.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(300_000)
  })
})

describe('the server of the page', () => {
  it('answers only its own page, on its own host name (DNS rebinding, cross-site requests)', async () => {
    const ask = async (...headers: string[]) =>
      (await send(`${demo.origin}/api/switch`, { method: 'POST', headers, body: '{"to":"stopped"}' })).status
    const { host } = new URL(demo.origin)
    const json = ['Content-Type', 'application/json', 'Content-Length', '16']
    expect(await ask(...json, 'Origin', 'https://evil.example')).toBe(403)
    expect(await ask(...json, 'Host', 'evil.example')).toBe(403)
    expect(await ask('Content-Type', 'text/plain', 'Content-Length', '16')).toBe(403)
    expect(demo.server.state).toBe('up')
    expect(await ask(...json, 'Origin', `http://${host}`)).toBe(200)
    expect(demo.server.state).toBe('stopped')
    demo.server.become('up')
  })

  it.each(['/api/send', '/api/snippets'])('%s sends no token to another host', async (path) => {
    const draft = { host: 'Express', method: 'GET', path: '@127.0.0.1:9/', token: 'a', headers: [], body: '' }
    const sent = path === '/api/send' ? draft : { draft, isReal: true }
    const response = await fetch(demo.origin + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(sent),
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ error: 'The path must begin with a slash' })
  })

  it('sends events only to an event source, so that an image of another site keeps none open', async () => {
    const ask = async (...headers: string[]) => (await send(`${demo.origin}/api/live`, { headers })).status
    expect(await ask()).toBe(406)
    expect(await ask('Accept', 'image/*')).toBe(406)
    expect(await ask('Accept', 'text/event-stream', 'Host', 'evil.example')).toBe(403)
  })
})
