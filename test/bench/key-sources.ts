/** How often a peer asks the issuer for its keys, and what its clients see meanwhile. */

import { type Answer, type Running, send } from '../support/server.ts'
import type { Authority } from './authority.ts'
import type { Peer } from './peers.ts'
import { table } from './report.ts'

/** What one phase has cost the issuer, and what the clients got. */
interface Phase {
  readonly metadata: number
  readonly keys: number
  readonly statuses: readonly number[]
}

/** A table of all peers that have a key source. Bold: more fetches than are needed, or the wrong answer. */
export async function keySources(
  authority: Authority,
  peers: readonly Peer[],
  good: string,
): Promise<string> {
  const rows: string[][] = []
  for (const peer of peers.filter(({ by }) => by === 'keys')) rows.push(await row(authority, peer, good))
  return table(
    [
      '',
      'cold, 30 at once',
      'warm, 20 requests',
      '40 forged tokens, unknown `kid`s',
      'issuer answers 503, cold, 5 requests',
    ],
    rows,
  )
}

async function row(authority: Authority, peer: Peer, good: string): Promise<string[]> {
  const forged = await Promise.all(
    Array.from({ length: 40 }, (_, index) => authority.forge(`forged-${index}`)),
  )
  const app = await peer.start(authority.setup)
  const cold = await phase(authority, () => Promise.all(Array.from({ length: 30 }, () => ask(app, good))))
  const warm = await phase(authority, () => inTurn(app, Array(20).fill(good)))
  const flood = await phase(authority, () => inTurn(app, forged))
  await app.close()

  authority.status = 503
  const fresh = await peer.start(authority.setup)
  const outage = await phase(authority, () => inTurn(fresh, Array(5).fill(good)))
  await fresh.close()
  authority.status = 200

  return [
    peer.title,
    cell(cold, cold.keys > 1 || isOther(cold, 200)),
    cell(warm, warm.keys > 0 || isOther(warm, 200)),
    cell(flood, flood.keys > 2 || isOther(flood, 401, 503)),
    cell(outage, isOther(outage, 503)),
  ]
}

async function phase(authority: Authority, requests: () => Promise<readonly Answer[]>): Promise<Phase> {
  const { metadata, keys } = authority.fetches
  const answers = await requests()
  return {
    metadata: authority.fetches.metadata - metadata,
    keys: authority.fetches.keys - keys,
    statuses: answers.map(({ status }) => status),
  }
}

async function inTurn(app: Running, tokens: readonly string[]): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  for (const token of tokens) answers.push(await ask(app, token))
  return answers
}

function ask(app: Running, token: string): Promise<Answer> {
  return send(app.origin, { headers: ['authorization', `Bearer ${token}`] })
}

function isOther({ statuses }: Phase, ...right: readonly number[]): boolean {
  return statuses.some((status) => !right.includes(status))
}

/** `1 + 1 (401)`: the fetches of metadata, if there were any, those of keys, and the statuses that clients saw. */
function cell({ metadata, keys, statuses }: Phase, isWrong: boolean): string {
  const counts = new Map<number, number>()
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1)
  const seen =
    counts.size === 1
      ? String(statuses[0])
      : [...counts].map(([status, count]) => `${count} × ${status}`).join(', ')
  const text = `${metadata > 0 ? `${metadata} + ` : ''}${keys} (${seen})`
  return isWrong ? `**${text}**` : text
}
