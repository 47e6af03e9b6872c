/** Reads parsed JSON from untrusted sources without trusting its prototypes, types or depth (RFC 8259). */

/** The number of levels of objects and arrays that plain data may have. Deeper data could exhaust the stack of a recursion. */
export const MAX_DEPTH = 32

/** Returns an own member. Inherited ones never count, so a polluted `Object.prototype` adds no claim and no key. */
export function getOwn(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Readonly<Record<string, unknown>>)[name] : undefined
}

/**
 * Returns an own member of an object that a server published, or `undefined` if the member is unset. Serializers write that
 * as `null`, `''` or `[]` as well.
 */
export function getIfSet(object: object, name: string): unknown {
  const value = getOwn(object, name)
  return value === null || value === '' || (Array.isArray(value) && value.length === 0) ? undefined : value
}

/** Whether a value is an object and not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is an array of strings. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** Whether parsed JSON has more than 32 levels of objects and arrays. */
export function isNestedTooDeeply(value: unknown, levels: number = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((member) => isNestedTooDeeply(member, levels - 1))
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** The bit by which `{` differs from `[`, and `}` from `]`. */
const BRACE_BIT = 0x20
const OPENING = 0x7b
const CLOSING = 0x7d

/**
 * Whether the text of a JSON value has more than 32 levels of objects and arrays. Text that is not JSON may give either
 * result, because the parser rejects it anyway.
 *
 * Counts brackets outside of strings instead of walking through the parsed value, which is faster. That matters because the
 * check comes before the signature check, so any client can make the gate run it.
 */
export function isTextNestedTooDeeply(text: string): boolean {
  if (!hasManyBrackets(text)) return false
  let level = 0
  let isInString = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) isInString = !isInString
    else if (isInString) {
      if (code === BACKSLASH) index += 1
    } else if ((code | BRACE_BIT) === OPENING) {
      level += 1
      if (level > MAX_DEPTH) return true
    } else if ((code | BRACE_BIT) === CLOSING) level -= 1
  }
  return false
}

/** Whether a text has enough opening brackets to be nested too deeply. Most tokens have few, so the slow scan is skipped. */
function hasManyBrackets(text: string): boolean {
  let count = 0
  for (const bracket of '{[')
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      count += 1
      if (count > MAX_DEPTH) return true
    }
  return false
}
