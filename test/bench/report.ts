/** Numbers into Markdown, and Markdown into files. */

import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Replaces what stands between the two markers of a file in this folder. */
export function writeBetween(file: string, marker: string, text: string): void {
  const url = new URL(file, import.meta.url)
  const [begin, end] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`]
  const [before, rest] = split(readFileSync(url, 'utf8'), begin)
  const [, after] = split(rest, end)
  writeFileSync(url, `${before}${begin}\n${text}\n${end}${after}`)
}

function split(text: string, at: string): readonly [string, string] {
  const index = text.indexOf(at)
  if (index === -1) throw new Error(`The marker ${at} is missing`)
  return [text.slice(0, index), text.slice(index + at.length)]
}

/** The version of a package as it is installed for the benchmark. */
export function version(name: string): string {
  const url = new URL(`./node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}

/** `name version` of each package, once. */
export function versions(names: readonly string[]): string {
  return [...new Set(names)].map((name) => `${name} ${version(name)}`).join(', ')
}

/** What the figures depend on. */
export function machine(): string {
  const models = cpus()
  return `${models[0]?.model.trim()}, ${models.length} cores, Node ${process.versions.node}, ${process.platform} ${process.arch}`
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2
}

/** From the lowest to the highest, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}
