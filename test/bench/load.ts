/** Load on one server: wrk where it is found, otherwise autocannon. Both send the tokens in turn, over 32 connections. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import autocannon from 'autocannon'
import { hasCommand } from './servers.ts'

const CONNECTIONS = 32

export const GENERATOR = hasCommand('wrk', '--version') ? 'wrk' : 'autocannon'

export interface Load {
  /** Answers per second. */
  readonly rate: number
  /** Answers that were not 200, per second. */
  readonly refused: number
  /** The share of its core that the generator used, if that is known: near 1 it is the generator that was measured. */
  readonly generator: number | undefined
}

/**
 * Runs for some seconds.
 * @param answers which are expected: unless `any` is, every one must be 200, for a peer that refuses is not one that is fast
 */
export async function measure(
  origin: string,
  tokens: readonly string[],
  seconds: number,
  answers: 'good' | 'any' = 'good',
): Promise<Load> {
  const load = await (GENERATOR === 'wrk'
    ? withWrk(origin, tokens, seconds)
    : withAutocannon(origin, tokens, { seconds }))
  if (answers === 'good' && load.refused > 0) throw new Error('Not every answer was 200')
  return load
}

/**
 * Sends every token once, and then so many requests that the compiler is done with the code for known tokens, too. For at most
 * 30 seconds.
 */
export async function warmUp(origin: string, tokens: readonly string[], requests: number): Promise<void> {
  await withAutocannon(origin, tokens, { seconds: 30, amount: tokens.length + requests })
}

async function withWrk(origin: string, tokens: readonly string[], seconds: number): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), 'bearergate-bench-'))
  try {
    const file = join(folder, 'tokens')
    writeFileSync(file, tokens.join('\n'))
    const script = fileURLToPath(new URL('./tokens.lua', import.meta.url))
    const duration = `${Math.max(1, Math.round(seconds))}s`
    const { stdout } = await promisify(execFile)(
      'wrk',
      ['-t1', `-c${CONNECTIONS}`, `-d${duration}`, '-s', script, origin],
      { env: { ...process.env, BENCH_TOKENS: file }, timeout: (seconds + 30) * 1000 },
    )
    if (/Socket errors/.test(stdout)) throw new Error(`Not every request was answered:\n${stdout}`)
    const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
    if (!(rate > 0)) throw new Error(`wrk gave no rate:\n${stdout}`)
    const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
    return { rate, refused: refused / Math.max(1, Math.round(seconds)), generator: undefined }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function withAutocannon(
  origin: string,
  tokens: readonly string[],
  { seconds, amount }: { seconds: number; amount?: number },
): Promise<Load> {
  let connection = 0
  let begin = 0
  let used = process.cpuUsage()
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: origin,
        connections: CONNECTIONS,
        duration: seconds,
        sampleInt: 50,
        ...(amount === undefined ? {} : { amount }),
        // Each connection has its share of the tokens, so that all of them together send each one in turn.
        setupClient: (client) => client.setRequests(requests(tokens, connection++)),
      },
      (error, done) => (error ? reject(error) : resolve(done)),
    )
    run.once('start', () => {
      begin = performance.now()
      used = process.cpuUsage()
    })
    const limit = setTimeout(() => run.stop?.(), seconds * 1000 + 1000)
    run.once('done', () => clearTimeout(limit))
  })
  const elapsed = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(used)
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`)
  const answered = result['2xx'] + result.non2xx
  return {
    rate: answered / elapsed,
    refused: result.non2xx / elapsed,
    generator: (user + system) / 1e6 / elapsed,
  }
}

function requests(tokens: readonly string[], connection: number): autocannon.Request[] {
  const share =
    tokens.length < CONNECTIONS ? tokens : tokens.filter((_, index) => index % CONNECTIONS === connection)
  return share.map((token) => ({ method: 'GET', path: '/', headers: { authorization: `Bearer ${token}` } }))
}
