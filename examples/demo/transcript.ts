/** Sends real requests, prints them with their real answers, and says loudly where an answer is not the expected one. */

/** A token, and the words that stand for it wherever it would be printed. */
export interface Token {
  readonly words: string
  readonly text: string
}

export interface Step {
  readonly title: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly token?: Token | undefined
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly expected: Expected
}

export interface Expected {
  readonly status: number
  /** The error code, in the challenge as well as in the body. Without it, neither may have one. */
  readonly error?: string
  /** What the API must have understood of the body. */
  readonly sent?: unknown
}

export interface Answer {
  readonly status: number
  readonly challenge: string | null
  readonly text: string
  /** The text as a JSON object; empty where it is none. */
  readonly body: Readonly<Record<string, unknown>>
}

export class Transcript {
  readonly #print: (line: string) => void
  #asked = 0
  #unexpected = 0

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  get isAsExpected(): boolean {
    return this.#asked > 0 && this.#unexpected === 0
  }

  heading(text: string): void {
    this.#print(`\n━━ ${text} ${'━'.repeat(Math.max(0, 96 - text.length))}`)
  }

  /** Sends one request to an API, and prints what came of it. */
  async ask(origin: string, step: Step): Promise<Answer> {
    const answer = await send(origin, step)
    const differences = compare(step.expected, answer)
    this.#asked += 1
    if (differences.length > 0) this.#unexpected += 1
    for (const line of [...asked(step), ...answered(answer, step.token), ...verdict(differences)])
      this.#print(line)
    return answer
  }

  summary(): void {
    this.#print(
      this.#unexpected === 0
        ? `\n${this.#asked} requests, and every answer was the expected one.`
        : `\n!!!!! ${this.#unexpected} of ${this.#asked} answers were NOT the expected ones. !!!!!`,
    )
  }
}

/** How an answer differs from the expected one: nothing where it does not. */
export function compare(expected: Expected, { status, challenge, body }: Answer): readonly string[] {
  const differences: string[] = []
  const expect = (what: string, wanted: unknown, got: unknown) => {
    const [left, right] = [JSON.stringify(wanted), JSON.stringify(got)]
    if (left !== right) differences.push(`${what}: expected ${left ?? 'none'}, got ${right ?? 'none'}`)
  }
  const isChallenged = expected.status === 401 || expected.error !== undefined
  expect('status', expected.status, status)
  expect('WWW-Authenticate', isChallenged ? 'Bearer' : undefined, challenge?.split(' ')[0])
  expect('error in WWW-Authenticate', expected.error, /[ ,]error="([^"]*)"/.exec(challenge ?? '')?.[1])
  expect('error in the body', expected.error, body.error)
  if ('sent' in expected) expect('"sent" in the body', expected.sent, body.sent)
  return differences
}

async function send(origin: string, { method, path, token, json, form }: Step): Promise<Answer> {
  const headers = new Headers()
  if (token !== undefined) headers.set('authorization', `Bearer ${token.text}`)
  if (json !== undefined) headers.set('content-type', 'application/json')
  const body = json === undefined ? form && new URLSearchParams(form) : JSON.stringify(json)
  const response = await fetch(origin + path, {
    method,
    headers,
    body: body ?? null,
    signal: AbortSignal.timeout(5000),
  })
  const challenge = response.headers.get('www-authenticate')
  const text = await response.text()
  return { status: response.status, challenge, text, body: parsed(text) }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}

function asked({ title, method, path, token, json, form }: Step): readonly string[] {
  const lines = ['', `${title}`, `  > ${method} ${path}`]
  if (token !== undefined) lines.push(`  > Authorization: Bearer ${token.words}`)
  if (json !== undefined) lines.push(`  > as JSON: ${JSON.stringify(json)}`)
  if (form !== undefined) lines.push(`  > as form: ${new URLSearchParams(form)}`)
  return lines
}

function answered({ status, challenge, text }: Answer, token: Token | undefined): readonly string[] {
  const lines = [`  < ${status}`]
  if (challenge !== null) lines.push(`  < WWW-Authenticate: ${challenge}`)
  return [...lines, `  < ${text}`].map((line) => withoutTokens(line, token))
}

function withoutTokens(line: string, token: Token | undefined): string {
  const known = token === undefined || token.text === '' ? line : line.replaceAll(token.text, token.words)
  return known.replace(/("access_token":\s*)"[^"]*"/g, '$1"<opaque token>"')
}

function verdict(differences: readonly string[]): readonly string[] {
  return differences.map((difference) => `  !!!!! NOT AS EXPECTED: ${difference}`)
}
