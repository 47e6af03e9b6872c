/** Sends the same requests to every peer, and writes the answers and the number of key fetches to STATUS.md and the docs. */

import { type Answer, type Running, send } from '../support/server.ts'
import { type Setup, startAuthority } from './authority.ts'
import { keySources } from './key-sources.ts'
import { GUARD_IDS, PEERS, type Peer } from './peers.ts'
import { table, versions, writeBetween } from './report.ts'

/** The tokens that a request may need. */
interface Tokens {
  readonly good: string
  readonly other: string
  readonly expired: string
  readonly elsewhere: string
}

interface Shape {
  readonly title: string
  /** The answers that RFC 6750 and common sense allow. */
  readonly right: readonly string[]
  /** The values of the `Authorization` lines. */
  readonly lines: (tokens: Tokens) => readonly string[]
  readonly query?: (tokens: Tokens) => string
  /** Asks about claims, of which a token that is looked up has none. */
  readonly claims?: true
}

const ABSENT = ['401 c']
const MALFORMED = ['400 c [invalid_request]']
const INVALID = ['401 c [invalid_token]']
const PASSES = ['200']

const SHAPES: readonly Shape[] = [
  { title: 'no credentials', right: ABSENT, lines: () => [] },
  { title: '`Basic …`', right: ABSENT, lines: () => ['Basic ZW1tYTpzZWNyZXQ='] },
  { title: '`Bearer` alone', right: MALFORMED, lines: () => ['Bearer'] },
  { title: '`Bearer a b`', right: MALFORMED, lines: () => ['Bearer a b'] },
  // RFC 6750 §3.1 allows both: the request is malformed, and so is the token in it.
  { title: '`Bearer a"b`', right: [...MALFORMED, ...INVALID], lines: () => ['Bearer a"b'] },
  { title: 'garbage token', right: INVALID, lines: () => ['Bearer garbage'] },
  { title: 'expired', right: INVALID, lines: ({ expired }) => [`Bearer ${expired}`], claims: true },
  {
    title: 'wrong audience',
    right: INVALID,
    lines: ({ elsewhere }) => [`Bearer ${elsewhere}`],
    claims: true,
  },
  {
    title: 'header + query',
    right: [...MALFORMED, ...PASSES],
    lines: ({ good }) => [`Bearer ${good}`],
    query: ({ good }) => `?access_token=${good}`,
  },
  {
    title: 'two `Authorization` lines',
    right: MALFORMED,
    lines: ({ good, other }) => [`Bearer ${good}`, `Bearer ${other}`],
  },
  { title: '`bearer` in lower case, good token', right: PASSES, lines: ({ good }) => [`bearer ${good}`] },
  { title: 'good token', right: PASSES, lines: ({ good }) => [`Bearer ${good}`] },
]

// Express and Koa print a stack for each error that reaches them: they are asked for their answers here, not for that.
console.error = () => {}

const authority = await startAuthority()
const [good, other, expired, elsewhere] = await Promise.all([
  authority.mint('RS256'),
  authority.mint('RS256'),
  authority.mint('RS256', { iat: now() - 7200, exp: now() - 3600 }),
  authority.mint('RS256', { aud: 'https://other.example.com' }),
])
const tokens: Tokens = { good, other, expired, elsewhere }
const setup: Setup = { ...authority.setup, tokens: [good, other] }

const peers = GUARD_IDS.map((id) => PEERS[id])
const columns: string[][] = []
for (const peer of peers) columns.push(await answersOf(peer))
const sources = await keySources(authority, peers, good)
// The last question needs the issuer to be gone for good.
await authority.close()
for (const [index, peer] of peers.entries()) columns[index]?.push(await answerInOutage(peer))

const titles = [...SHAPES.map(({ title }) => title), 'good token, issuer down, cold']
const statusTable = table(
  ['', ...peers.map(({ title }) => title)],
  titles.map((title, row) => [`${row + 1} ${title}`, ...columns.map((column) => column[row] ?? '')]),
)
const used = versions(peers.flatMap(({ packages }) => packages))
const answers = `${statusTable}\n\nMeasured with ${used}, Node ${process.versions.node}.`
for (const page of ['./STATUS.md', '../../packages/core/docs/comparison.md']) {
  writeBetween(page, 'answers', answers)
  writeBetween(page, 'key-sources', sources)
}
console.log(`${statusTable}\n\n${sources}`)
process.exit(0)

async function answersOf(peer: Peer): Promise<string[]> {
  const app = await peer.start(setup)
  const cells: string[] = []
  for (const shape of SHAPES)
    cells.push(shape.claims && peer.by === 'lookup' ? 'n/a' : judged(await ask(app, shape), shape.right))
  await app.close()
  return cells
}

async function answerInOutage(peer: Peer): Promise<string> {
  if (peer.by === 'lookup') return 'n/a'
  const app = await peer.start(setup)
  const answer = await ask(app, { title: '', right: [], lines: () => [`Bearer ${good}`] })
  await app.close()
  return judged(answer, ['503 + Retry-After'])
}

function ask(app: Running, { lines, query }: Shape): Promise<Answer> {
  const headers = lines(tokens).flatMap((line) => ['authorization', line])
  return send(`${app.origin}/${query?.(tokens) ?? ''}`, { headers })
}

function judged(answer: Answer, right: readonly string[]): string {
  const cell = cellOf(answer)
  return right.includes(cell) ? cell : `**${cell}**`
}

/** `c` = has a `Bearer` challenge, `x` = has none, the error code in brackets. */
function cellOf({ status, headers, challenges }: Answer): string {
  if (status < 400) return String(status)
  const challenge = challenges.find((line) => /^bearer\b/i.test(line))
  if (status >= 500) return headers['retry-after'] === undefined ? `${status}` : `${status} + Retry-After`
  const code = /\berror="?([^",\s]+)/.exec(challenge ?? '')?.[1]
  return `${status} ${challenge === undefined ? 'x' : 'c'}${code === undefined ? '' : ` [${code}]`}`
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
