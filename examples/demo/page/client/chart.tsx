/** Draws the answers of one API over time, one line per status, and its requests for keys as bars. */

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import type { Live } from '../model.ts'
import { WINDOW } from './api.ts'

/** The statuses of the chart, each with the name of its colour. `0` stands for no answer. */
const SERIES: readonly (readonly [statuses: readonly number[], words: string, colour: string])[] = [
  [[200], '200', '--s2'],
  [[401, 400], '401', '--s4'],
  [[403], '403', '--s3'],
  [[503], '503', '--s5'],
  [[500], '500', '--s6'],
  [[0], 'no answer', '--muted'],
]

const HEIGHT = 220
const BARS = uPlot.paths.bars?.({ size: [0.6, 8] }) ?? null

function dataOf(seconds: readonly Live[], index: number): uPlot.AlignedData {
  const times = seconds.map(({ at }) => at)
  const counts = SERIES.map(([statuses]) =>
    seconds.map(({ answers }) => statuses.reduce((sum, status) => sum + (answers[index]?.[status] ?? 0), 0)),
  )
  return [times, ...counts, keyRequestsOf(seconds, index)]
}

/** The requests for the key set in each second. */
function keyRequestsOf(seconds: readonly Live[], index: number): number[] {
  const totals = seconds.map(({ keyRequests }) => keyRequests[index] ?? 0)
  return totals.map((total, at) => total - (totals[at - 1] ?? total))
}

export function Chart(props: {
  readonly seconds: readonly Live[]
  readonly index: number
  readonly label: string
}) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const colour = (name: string) => colourOf(element, name)
    const draw = () => {
      plot.current?.destroy()
      plot.current = new uPlot(
        options(element.clientWidth, colour),
        dataOf(props.seconds, props.index),
        element,
      )
    }
    draw()
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    )
    resized.observe(element)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', draw)
    return () => {
      resized.disconnect()
      scheme.removeEventListener('change', draw)
      plot.current?.destroy()
    }
  }, [])
  useEffect(() => plot.current?.setData(dataOf(props.seconds, props.index)), [props.seconds, props.index])
  const last = props.seconds.at(-1)?.answers[props.index] ?? {}
  const spoken = Object.entries(last).map(
    ([status, count]) => `${count} times ${status === '0' ? 'no answer' : status}`,
  )
  return (
    <div
      ref={box}
      role="img"
      aria-label={`${props.label}. In the last second: ${spoken.join(', ') || 'none'}`}
    />
  )
}

/** Resolves a colour of the page, which depends on the scheme: a canvas knows no variables. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = element.appendChild(document.createElement('span'))
  probe.style.color = `var(${name})`
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

function options(width: number, colour: (name: string) => string): uPlot.Options {
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width,
    height: HEIGHT,
    cursor: { show: false },
    scales: {
      x: { time: false, range: (_plot, _min, max) => [Math.max(0, max - WINDOW), Math.max(max, WINDOW)] },
      y: { range: [0, 11] },
    },
    axes: [
      { ...axis, label: 'seconds', labelSize: 16, size: 28 },
      { ...axis, size: 32, incrs: [1, 2, 5] },
    ],
    series: [
      { label: 'second' },
      ...SERIES.map(([, label, name]) => ({
        label,
        stroke: colour(name),
        width: 2,
        points: { show: false },
      })),
      {
        label: 'key requests',
        fill: colour('--ink'),
        width: 0,
        points: { show: false },
        ...(BARS !== null && { paths: BARS }),
      },
    ],
    legend: { live: false },
  }
}
