/** The throughput of whole requests as an SVG: each package's share of the bare framework, with one RS256 token. */

import { PEERS, type PeerId } from './peers.ts'
import type { Measured } from './requests.ts'
import { share } from './results.ts'

const BARES = { express: 'express-bare', koa: 'koa-bare' } as const
const TITLES = { express: 'Express', koa: 'Koa' } as const
const ROW = 26
const LABEL = 250
const BAR = 380
const WIDTH = LABEL + BAR + 60

export function chart(requests: readonly Measured[]): string {
  const all = requests.filter(({ scenario }) => scenario === 'RS256, one token')
  const rows: string[] = []
  let y = 44
  for (const host of ['express', 'koa'] as const) {
    rows.push(text(0, y + 4, TITLES[host], 'head'))
    y += ROW
    for (const [id, value] of sharesOf(all, host)) {
      rows.push(row(y, PEERS[id].title, value, id.startsWith('bearergate')))
      y += ROW
    }
    y += 10
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="Share of the bare framework's throughput">
<style>text{font:13px system-ui,sans-serif;fill:#57606a}.head{font-weight:600}.us{fill:#1a7f37;font-weight:600}rect{fill:#afb8c1}rect.us{fill:#2da44e}</style>
${text(0, 16, 'Requests per second, as a share of the bare framework: one RS256 token, verified', 'head')}
${rows.join('\n')}
</svg>
`
}

function sharesOf(all: readonly Measured[], host: 'express' | 'koa'): readonly (readonly [PeerId, number])[] {
  const ids = [...new Set(all.map(({ id }) => id))].filter(
    (id) => PEERS[id].host === host && PEERS[id].by !== 'nothing',
  )
  return ids.map((id) => [id, share(all, id, BARES[host])] as const).sort((a, b) => b[1] - a[1])
}

function row(y: number, title: string, value: number, isOurs: boolean): string {
  const width = Math.min(BAR, BAR * value).toFixed(1)
  const mark = isOurs ? ' class="us"' : ''
  return `${text(0, y + 4, title, isOurs ? 'us' : '')}<rect${mark} x="${LABEL}" y="${y - 10}" width="${width}" height="18" rx="2"/>${text(LABEL + Number(width) + 8, y + 4, value.toFixed(2), isOurs ? 'us' : '')}`
}

function text(x: number, y: number, content: string, mark: string): string {
  return `<text x="${x}" y="${y}"${mark === '' ? '' : ` class="${mark}"`}>${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
}
