/** The demonstration runs, tells the truth by its exit code, and prints no token. */

import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { running } from '../../examples/demo/running.ts'
import { type Answer, compare, Transcript } from '../../examples/demo/transcript.ts'
import project from '../../package.json' with { type: 'json' }

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TOKENS = /eyJ[\w-]{10,}|demo_[\w-]{30,}/

/** Runs the root script `demo`, from what the tests themselves run from. */
async function demo(before: readonly string[] = []): Promise<{ code: number | null; output: string }> {
  const [, ...flags] = project.scripts.demo.split(' ')
  const sources = flags.filter(
    (flag) => process.env.BEARERGATE_TARGET !== 'dist' || !flag.startsWith('--conditions'),
  )
  const child = spawn(process.execPath, [...before, ...sources, '--once'], { cwd: ROOT, timeout: 15_000 })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, output: out + errors }
}

describe('the demonstration', () => {
  it('exits 0, has asked all three hosts, and prints no token', async () => {
    const { code, output } = await demo()
    expect(output).toContain('every answer was the expected one')
    for (const host of ['Express', 'Koa', 'fetch']) expect(output).toContain(`${host} on http://127.0.0.1:`)
    expect(output).not.toMatch(TOKENS)
    expect(output).not.toContain('oidc-provider NOTICE')
    expect(code).toBe(0)
  })

  it('exits 1 and says so if a host answers unexpectedly', async () => {
    const asReceived = `const { fetch } = globalThis
      globalThis.fetch = (url, init) => String(url).includes('/echo/get/') && init.headers.has('authorization')
        ? Promise.resolve(Response.json({ sent: null })) : fetch(url, init)`
    const { code, output } = await demo([
      '--import',
      `data:text/javascript,${encodeURIComponent(asReceived)}`,
    ])
    expect(output).toContain('NOT AS EXPECTED: status: expected 401, got 200')
    expect(output).toMatch(/!!!!! \d+ of \d+ answers were NOT the expected ones/)
    expect(output).not.toMatch(TOKENS)
    expect(code).toBe(1)
  })
})

describe('the comparison', () => {
  const refusal: Answer = {
    status: 401,
    challenge: 'Bearer realm="api", error="invalid_token"',
    text: '{"error":"invalid_token"}',
    body: { error: 'invalid_token' },
  }
  const good: Answer = { status: 200, challenge: null, text: '{"sent":{"a":1}}', body: { sent: { a: 1 } } }

  it('finds no difference in the expected answer', () => {
    expect(compare({ status: 401, error: 'invalid_token' }, refusal)).toEqual([])
    expect(compare({ status: 200, sent: { a: 1 } }, good)).toEqual([])
  })

  it.each([
    ['another status', { status: 403, error: 'invalid_token' }, refusal, /^status: expected 403, got 401/],
    ['another error', { status: 401, error: 'expired' }, refusal, /^error in WWW-Authenticate/],
    ['an error where none is expected', { status: 401 }, refusal, /expected none, got "invalid_token"/],
    [
      'an error that only the challenge has',
      { status: 401, error: 'invalid_token' },
      { ...refusal, body: {} },
      /^error in the body/,
    ],
    [
      'a missing challenge',
      { status: 401, error: 'invalid_token' },
      { ...refusal, challenge: null },
      /^WWW-Authenticate: expected "Bearer", got none/,
    ],
    ['a challenge with a success', { status: 200 }, { ...good, challenge: 'Bearer' }, /^WWW-Authenticate/],
    ['another body', { status: 200, sent: { a: 2 } }, good, /^"sent" in the body/],
  ])('finds %s', (_title, expected, answer, difference) => {
    expect(compare(expected, answer).join('\n')).toMatch(difference)
  })
})

describe('the transcript', () => {
  const closing: (() => Promise<void>)[] = []
  afterEach(() => Promise.all(closing.splice(0).map((close) => close())))

  it('replaces a token in an answer by a text', async () => {
    const server = createServer((request, response) => {
      response.setHeader('www-authenticate', `Bearer hint="${request.headers.authorization}"`)
      response.end(JSON.stringify({ access_token: 'issued', got: request.headers.authorization }))
    })
    const { origin, close } = await running(server.listen(0, '127.0.0.1'))
    closing.push(close)
    const lines: string[] = []
    const transcript = new Transcript((line) => lines.push(line))
    const token = { words: '<JWT>', text: 'secret-token' }
    await transcript.ask(origin, { title: 'A', method: 'GET', path: '/', token, expected: { status: 200 } })
    expect(lines.join('\n')).toContain('{"access_token":"<opaque token>","got":"Bearer <JWT>"}')
    expect(lines.join('\n')).not.toMatch(/secret-token|issued/)
  })

  it('the transcript is not as expected if nothing was asked', () => {
    expect(new Transcript(() => {}).isAsExpected).toBe(false)
  })
})
