/** Describes values for error messages and events: short, printable, and without secrets. */

/** The number of characters of a value that a message contains. */
const MAX_LENGTH = 200
/** The same for a value of a token, because a sentence often has several of them. */
export const MAX_SHOWN = 100
/** The number of values of a list that a message contains. */
const MAX_VALUES = 8

/** Describes a value that may be a secret: numbers and booleans themselves, and only the type of anything else. */
export function received(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  if (typeof value === 'object' && value !== null) return `an object${classOf(value)}`
  return String(value)
}

function classOf(value: object): string {
  try {
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
    return typeof name === 'string' && /^\w{1,40}$/.test(name) && name !== 'Object' ? ` (${name})` : ''
  } catch {
    return ''
  }
}

/** Quotes a text that is safe to show. Characters outside printable ASCII are escaped, because they may look like others. */
export function quoted(text: string, maxLength: number = MAX_LENGTH): string {
  const short = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  return JSON.stringify(short).replace(
    /[^ -~…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Quotes the first texts of a list that is safe to show. */
export function quotedList(texts: readonly string[], maxLength?: number): string {
  const first = texts.slice(0, MAX_VALUES).map((text) => quoted(text, maxLength))
  const others = texts.length - first.length
  return [...first, ...(others > 0 ? [`${others} more`] : [])].join(', ')
}

/**
 * Describes a value that should be a URL. The text before an `@` and in a query may be a secret, and is left out.
 */
export function shown(value: unknown): string {
  if (typeof value !== 'string') return received(value)
  return quoted(value.replace(/^.*@/s, '…@').replace(/\?.*$/s, '?…'))
}
