/** Reads `WWW-Authenticate` as a strict client does: what keeps to the grammar, and nothing else (RFC 9110 §11). */

export interface Challenge {
  /** In lower case, as schemes are compared (RFC 9110 §11.1). */
  readonly scheme: string
  readonly token68?: string
  /** By their names in lower case (RFC 9110 §11.2). */
  readonly parameters: Readonly<Record<string, string>>
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const TOKEN68 = '[A-Za-z0-9._~+/-]+=*'
const QUOTED = '"((?:[\\t \\x21\\x23-\\x5B\\x5D-\\x7E\\x80-\\xFF]|\\\\[\\t\\x20-\\x7E\\x80-\\xFF])*)"'
/** The end of a list element, with the empty elements behind it (RFC 9110 §5.6.1.2). */
const END = '[ \\t]*(?:,[ \\t,]*|$)'
const PARAMETER_END = `(${TOKEN})[ \\t]*=[ \\t]*(?:(${TOKEN})|${QUOTED})${END}`

const PARAMETER = new RegExp(`^${PARAMETER_END}`)
const WITH_TOKEN68 = new RegExp(`^(${TOKEN}) +(${TOKEN68})${END}`)
const WITH_PARAMETERS = new RegExp(`^(${TOKEN}) +(?=${PARAMETER_END})`)
const ALONE = new RegExp(`^(${TOKEN})( *)${END}`)

/** The challenges of one field value; `undefined` where it does not keep to the grammar, or names a parameter twice. */
export function parseChallenges(value: string): readonly Challenge[] | undefined {
  const challenges: Challenge[] = []
  let parameters: Record<string, string> | undefined
  let rest = value.replace(/^[ \t,]+/, '')

  function take(pattern: RegExp): RegExpExecArray | null {
    const found = pattern.exec(rest)
    if (found !== null) rest = rest.slice(found[0].length)
    return found
  }

  function open(scheme: string, token68?: string): Record<string, string> {
    const taken: Record<string, string> = {}
    const challenge = { scheme: scheme.toLowerCase(), parameters: taken }
    challenges.push(token68 === undefined ? challenge : { ...challenge, token68 })
    return taken
  }

  while (rest !== '') {
    const parameter = parameters === undefined ? null : take(PARAMETER)
    if (parameters !== undefined && parameter !== null) {
      const [, name = '', token, quoted = ''] = parameter
      if (Object.hasOwn(parameters, name.toLowerCase())) return undefined
      parameters[name.toLowerCase()] = token ?? quoted.replaceAll(/\\(.)/g, '$1')
      continue
    }
    const [, scheme = '', token68] = take(WITH_TOKEN68) ?? []
    if (token68 !== undefined) {
      open(scheme, token68)
      parameters = undefined
      continue
    }
    const [, name, space] = take(WITH_PARAMETERS) ?? take(ALONE) ?? []
    if (name === undefined) return undefined
    const opened = open(name)
    // `Scheme, realm="x"` has no place for parameters: only 1*SP behind the scheme makes one (RFC 9110 §11.3).
    parameters = space === '' ? undefined : opened
  }
  return challenges
}
