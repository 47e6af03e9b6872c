/** BI19: a token that fails, or passes, leaves no trace: not in what is said, logged, thrown or kept. */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { inspect, promisify } from 'node:util'
import { BearerAuthError, createGate, type DecisionEvent, opaque } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express from 'express'
import Koa from 'koa'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CASES, gateOf } from '../support/explain-cases.ts'
import { listen, send } from '../support/server.ts'
import { FAILURES, type Failure, secretsIn } from './failures.ts'

/** Everything that was written to the console or to the streams of the process meanwhile. */
let logged: string[]
beforeEach(() => {
  logged = []
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table'] as const)
    vi.spyOn(console, name).mockImplementation((...values: unknown[]) => void logged.push(shown(values)))
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      logged.push(String(chunk))
      return true
    })
})
afterEach(() => void vi.restoreAllMocks())

/** The failures whose detail names `iss`, `aud` or `kid`. */
const NAMED = ['401 issuer_mismatch', '401 audience_mismatch', '401 unknown_key']

const failures = FAILURES.map((failure) => [failure.name, failure.expected, failure] as const)

describe('the core', () => {
  it.each(failures)('shows no part of the token with %s: %s (BI19)', async (_name, expected, failure) => {
    const events: DecisionEvent[] = []
    const gate = failure.gate({ onDecision: (event) => events.push(event) })
    const canary = newCanary()
    const header = failure.header(canary)
    const said: unknown[] = []
    // The second time some results come out of a cache.
    for (let time = 0; time < 2; time += 1) {
      const decision = await gate.authenticate({ header: () => header })
      expect(decision.ok ? 'ok' : `${decision.status} ${decision.reason}`).toBe(expected)
      said.push(decision)
      if (decision.ok) continue
      const response = decision.toResponse()
      if (decision.reason !== 'preflight') said.push(new BearerAuthError(decision))
      said.push(response, [...response.headers], await response.text())
    }
    expect(events).toHaveLength(2)
    const told = shown([said, events, gate, logged])
    expect(leaksOf(header, told)).toEqual([])
    // Operators may read who issued a token, for whom, and by which key: the detail is bounded.
    const details = events.map(({ detail }) => detail ?? '')
    for (const detail of details) expect(detail.length).toBeLessThan(1_000)
    const withoutDetails = events.map(({ detail, ...event }) =>
      NAMED.includes(expected) ? event : { ...event, detail },
    )
    // What a token claims is the identity's to tell where it passes, and nobody's where it does not.
    if (expected !== 'ok') expect(shown([said, withoutDetails, gate, logged])).not.toContain(canary)
  })

  it.each(failures)(
    'explains %s without any part of the token: %s (BI19)',
    async (_name, _expected, failure) => {
      const header = failure.header(newCanary())
      const explanation = await failure.gate({}).explain({ header: () => header })
      expect(explanation.checks.length).toBeGreaterThan(0)
      expect(leaksOf(header, shown([explanation, logged]))).toEqual([])
    },
  )

  it.each(CASES.map((row) => [row.name, row] as const))(
    'explains %s without any part of the token (BI19)',
    async (_name, { gate = gateOf(), given }) => {
      const token = await given
      const texts =
        typeof token === 'string'
          ? [token]
          : [...['authorization', 'cookie'].map((name) => token.header(name)), token.url]
      const explanation = shown([await gate.explain(token), logged])
      const secret = texts.map(String).filter((text) => secretsIn(text).length > 0)
      expect(secret.flatMap((text) => leaksOf(text, explanation))).toEqual([])
    },
  )

  it('shows no part of the token while a lookup never settles (BI19)', () => {
    const verifier = opaque({ lookup: () => new Promise<null>(() => {}), cache: { ttl: 60 } })
    const gate = createGate({ verifier })
    const canary = newCanary()
    const pending = [1, 2].map(() => gate.authenticate({ header: () => `Bearer ${canary}` }))
    expect(leaksOf(canary, shown([pending, gate, verifier, logged]))).toEqual([])
  })
})

/** An API before each failure, with the error handling that its framework has itself. It tells what errors it saw. */
const APIS = {
  'Express, which answers': expressApi('answer'),
  'Express, by its own error handling': expressApi('next'),
  'Koa, which answers': koaApi('answer'),
  'Koa, by its own error handling': koaApi('next'),
}

function expressApi(onDenied: 'answer' | 'next') {
  return (failure: Failure, seen: unknown[]) => {
    // In `test` Express does not log what its error handling gets.
    const app = express().set('env', 'development')
    app.use(bearerExpress.bearer(failure.gate({ onDenied, onDecision: (event) => seen.push(event) })))
    app.use((request, response) => {
      seen.push(request.identity)
      response.json(request.identity)
    })
    const passOn: express.ErrorRequestHandler = (error, _request, _response, next) => {
      seen.push(error)
      next(error)
    }
    app.use(passOn)
    return app
  }
}

function koaApi(onDenied: 'answer' | 'next') {
  return (failure: Failure, seen: unknown[]) => {
    const app = new Koa()
    app.use(async (_context, next) => {
      await next().catch((error: unknown) => {
        seen.push(error)
        throw error
      })
    })
    app.use(bearerKoa.bearer(failure.gate({ onDenied, onDecision: (event) => seen.push(event) })))
    app.use((context) => {
      seen.push(context.state.identity)
      context.body = context.state.identity
    })
    return app.callback()
  }
}

describe.each(Object.entries(APIS))('%s', (name, api) => {
  it.each(failures)('shows no part of the token with %s: %s (BI19)', async (_name, expected, failure) => {
    const seen: unknown[] = []
    const { origin, close } = await listen(api(failure, seen))
    const header = failure.header(newCanary())
    const answer = await send(origin, { headers: ['Authorization', header] })
    await close()
    // Express logs an error some time after it has answered.
    if (expected !== 'ok' && name.startsWith('Express, by')) await hears('BearerAuthError')
    expect(`${answer.status}`).toBe(expected === 'ok' ? '200' : expected.slice(0, 3))
    expect(seen.length).toBeGreaterThan(0)
    expect(leaksOf(header, shown([seen, answer, logged]))).toEqual([])
  })
})

describe('the search itself', () => {
  it('finds the text that Express logs for an error (BI19)', async () => {
    const [failure] = FAILURES.filter(({ expected }) => expected === '401 revoked')
    if (failure === undefined) throw new Error('no such failure')
    const { origin, close } = await listen(expressApi('next')(failure, []))
    await send(origin, { headers: ['Authorization', failure.header(newCanary())] })
    await close()
    await hears('BearerAuthError: The access token was revoked')
  })

  it('finds a canary in a message, a stack, a cause, a hidden member, a getter and a key (BI19)', () => {
    const canary = newCanary()
    const message = `bad token: ${canary}`
    const hidden = Object.defineProperty({}, 'hidden', { value: message })
    const causing = new Error('outer', { cause: new Error('inner', { cause: message }) })
    for (const leak of [
      new Error(message),
      causing,
      hidden,
      { get: new Map([[canary, 1]]) },
      { [canary]: 1 },
      [[[[[[[[[message]]]]]]]]],
      { toJSON: () => message },
      Object.defineProperty({}, 'read', { get: () => message, enumerable: false }),
    ])
      expect(leaksOf(canary, shown(leak))).not.toEqual([])
    expect(leaksOf(canary, `a part of it: ${canary.slice(5, 25)}`)).not.toEqual([])
  })
})

it('finds no canary in a heap snapshot, once the requests are gone (BI19)', async () => {
  const child = fileURLToPath(new URL('leaks.child.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--conditions=@bearergate/source', '--import', 'tsx', child],
    { timeout: 60_000 },
  )
  const { found, gates, hasGc } = JSON.parse(stdout)
  expect(found).toEqual([
    'planted as a string',
    'planted as a Map key',
    'planted as a part of a longer string',
  ])
  expect([hasGc, gates]).toEqual([true, FAILURES.length + 1])
}, 600_000)

function hears(text: string): Promise<void> {
  return vi.waitFor(() => expect(logged.join()).toContain(text), { interval: 2 })
}

function newCanary(): string {
  return randomBytes(24).toString('base64url')
}

/** The value as every way of printing one shows it. */
function shown(value: unknown): string {
  const depth = Number.POSITIVE_INFINITY
  const inspected = inspect(value, {
    depth,
    showHidden: true,
    getters: true,
    maxArrayLength: depth,
    maxStringLength: depth,
    breakLength: depth,
  })
  return `${inspected}\n${json(value)}\n${String(value)}`
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    // A circle, or a bigint: inspect has shown it.
    return ''
  }
}

/** Every run of 16 characters of a secret part that stands in the text. */
function leaksOf(header: string, text: string): readonly string[] {
  const parts = secretsIn(header)
  if (parts.length === 0) throw new Error('there is nothing to look for')
  return parts.flatMap((part) =>
    Array.from({ length: part.length - 15 }, (_, from) => part.slice(from, from + 16)).filter((run) =>
      text.includes(run),
    ),
  )
}
