/** Draws the throughput of whole requests as an SVG: each package's share of the bare framework, with one and with many tokens. */

import { PEERS, type PeerId } from './peers.ts'
import { median } from './report.ts'
import type { Measured } from './requests.ts'
import { shares } from './results.ts'

const BARES = { express: 'express-bare', koa: 'koa-bare' } as const
const TITLES = { express: 'Express', koa: 'Koa' } as const
const ROW = 26
const LABEL = 250
const BAR = 380
const WIDTH = LABEL + BAR + 60

const SCENARIOS = { one: /^RS256, one token$/, many: /^RS256, [\d,]+ tokens$/ } as const
const KINDS = ['one', 'many'] as const
type Kind = (typeof KINDS)[number]

export function chart(requests: readonly Measured[]): string {
  const rows: string[] = []
  let y = 64
  for (const host of ['express', 'koa'] as const) {
    rows.push(text(0, y + 4, TITLES[host], 'head'))
    y += ROW
    for (const { id, ratios } of guardsOf(requests, host)) {
      rows.push(text(0, y + 9, PEERS[id].title, id.startsWith('bearergate') ? 'us' : ''))
      for (const kind of KINDS) {
        rows.push(bar(y, ratios[kind], kind, id.startsWith('bearergate')))
        y += ROW / 2
      }
      y += 8
    }
    y += 10
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="Share of the bare framework's throughput">
<style>text{font:13px system-ui,sans-serif;fill:#57606a}.small{font-size:11px}.head{font-weight:600}.us{fill:#1a7f37;font-weight:600}rect{fill:#afb8c1}rect.us{fill:#2da44e}.many{opacity:.6}line{stroke:#24292f}</style>
${text(0, 16, 'Requests per second, as a share of the bare framework: verified RS256 tokens', 'head')}
${text(0, 36, 'Upper bar: one token. Lower bar: 20,000 tokens in turn, default settings. Line: from the slowest to the fastest round.', 'small')}
${rows.join('\n')}
</svg>
`
}

interface Guard {
  readonly id: PeerId
  /** The ratios of the rounds. */
  readonly ratios: Readonly<Record<Kind, readonly number[]>>
}

function guardsOf(requests: readonly Measured[], host: 'express' | 'koa'): readonly Guard[] {
  const of = (kind: Kind) => requests.filter(({ scenario }) => SCENARIOS[kind].test(scenario))
  const ids = [...new Set(of('one').map(({ id }) => id))].filter(
    (id) => PEERS[id].host === host && PEERS[id].by !== 'nothing',
  )
  return ids
    .map((id) => {
      const ratios = { one: shares(of('one'), id, BARES[host]), many: shares(of('many'), id, BARES[host]) }
      return { id, ratios }
    })
    .sort((a, b) => median(b.ratios.one) - median(a.ratios.one))
}

function bar(y: number, ratios: readonly number[], kind: Kind, isOurs: boolean): string {
  if (ratios.length === 0) return ''
  const x = (value: number) => Math.min(BAR, BAR * value)
  const value = median(ratios)
  const mark = [isOurs && 'us', kind === 'many' && 'many'].filter(Boolean).join(' ')
  const [least, most] = [x(Math.min(...ratios)), x(Math.max(...ratios))]
  const rect = `<rect class="${mark}" x="${LABEL}" y="${y - 6}" width="${x(value).toFixed(1)}" height="11" rx="2"/>`
  const line = `<line x1="${(LABEL + least).toFixed(1)}" x2="${(LABEL + most).toFixed(1)}" y1="${y}" y2="${y}"/>`
  return `${rect}${line}${text(LABEL + Math.max(x(value), most) + 8, y + 4, value.toFixed(2), isOurs ? 'small us' : 'small')}`
}

function text(x: number, y: number, content: string, mark: string): string {
  return `<text x="${x}" y="${y}"${mark === '' ? '' : ` class="${mark}"`}>${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
}
