/** "Nothing lost": each request with what it must come to, what it came to, and the verdict at the end. */

/** What a request is known to be. */
export type TokenClass =
  | 'good'
  | 'expired'
  | 'wrong audience'
  | 'forged signature'
  | 'removed key'
  | 'new key'
  | 'unknown key'
  | 'garbage'
  | 'none'

/** What was answered; `aborted` where the client itself gave up. */
export type Outcome = 200 | 400 | 401 | 403 | 503 | 'aborted' | 'lost' | number

export interface Verdict {
  readonly sent: number
  readonly answered: number
  readonly aborted: number
  /** Sent, and neither answered nor given up by the client. */
  readonly lost: number
  readonly falseAccepts: number
  /** Good tokens that were refused, or answered 503 while the keys were at hand. */
  readonly falseRefusals: number
  /** Tokens of a key that was new to the gate, refused or answered 503: within the stated windows only. */
  readonly lateRotations: number
  /** 503 to what the gate could have told. */
  readonly needless503: number
  /** Any other status. */
  readonly odd: number
  /** What went wrong first, at most ten of it. */
  readonly examples: readonly string[]
}

const REFUSALS: Readonly<Record<Exclude<TokenClass, 'good' | 'new key'>, readonly Outcome[]>> = {
  expired: [401],
  'wrong audience': [401],
  'forged signature': [401],
  'removed key': [401],
  'unknown key': [401],
  garbage: [400, 401],
  none: [401],
}
/** To these the answer may be 503 while the issuer cannot be asked: only it knows its newest keys. */
const ASKED_FOR: readonly TokenClass[] = ['removed key', 'new key']

type Wrong = 'falseAccepts' | 'falseRefusals' | 'lateRotations' | 'needless503' | 'odd'

export class Ledger {
  #sent = 0
  readonly #counts = {
    answered: 0,
    aborted: 0,
    lost: 0,
    falseAccepts: 0,
    falseRefusals: 0,
    lateRotations: 0,
    needless503: 0,
    odd: 0,
  }
  readonly #examples: string[] = []
  readonly #byClass = new Map<string, number>()

  sent(): number {
    this.#sent += 1
    return this.#sent
  }

  /** @param mayFail whether the issuer had a fault, or had one a moment ago */
  came(id: number, token: TokenClass, outcome: Outcome, mayFail: boolean): void {
    const name = `${token} → ${outcome}`
    this.#byClass.set(name, (this.#byClass.get(name) ?? 0) + 1)
    if (outcome === 'aborted' || outcome === 'lost') {
      this.#counts[outcome] += 1
      if (outcome === 'lost') this.#note(id, name)
      return
    }
    this.#counts.answered += 1
    const wrong = this.#judge(token, outcome, mayFail)
    if (wrong === undefined) return
    this.#counts[wrong] += 1
    if (wrong !== 'lateRotations') this.#note(id, `${wrong}: ${name}`)
  }

  #judge(token: TokenClass, outcome: Outcome, mayFail: boolean): Wrong | undefined {
    if (token === 'good') return outcome === 200 ? undefined : 'falseRefusals'
    if (token === 'new key') return outcome === 200 ? undefined : 'lateRotations'
    if (outcome === 200) return 'falseAccepts'
    // The budget of refreshes may be used up, and then nobody knows whether the key is new (ATK08).
    if (outcome === 503 && token === 'unknown key') return undefined
    if (outcome === 503) return mayFail && ASKED_FOR.includes(token) ? undefined : 'needless503'
    return REFUSALS[token].includes(outcome) ? undefined : 'odd'
  }

  #note(id: number, what: string): void {
    if (this.#examples.length < 10) this.#examples.push(`#${id} ${what}`)
  }

  get byClass(): ReadonlyMap<string, number> {
    return this.#byClass
  }

  verdict(): Verdict {
    const { answered, aborted, lost } = this.#counts
    return {
      sent: this.#sent,
      ...this.#counts,
      lost: lost + this.#sent - answered - aborted - lost,
      examples: this.#examples,
    }
  }
}

/** Whether nothing was lost, nothing bad accepted and nothing good refused. */
export function passes(verdict: Verdict): boolean {
  const { lost, falseAccepts, falseRefusals, needless503, odd, sent } = verdict
  return sent > 0 && lost + falseAccepts + falseRefusals + needless503 + odd === 0
}
