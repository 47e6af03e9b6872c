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
  /** The process that is asked knows of the revocation, or must answer 503 because it may not. */
  | 'revoked'
  /** The process that is asked may not know of the revocation yet. */
  | 'being revoked'
  /** Good, but the process cannot know whether it was revoked, and must not accept it. */
  | 'unchecked'
  /** As before, a moment before or after that. */
  | 'perhaps unchecked'

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

const REFUSALS: Readonly<
  Record<Exclude<TokenClass, 'good' | 'new key' | keyof typeof OF_REVOCATIONS>, readonly Outcome[]>
> = {
  expired: [401],
  'wrong audience': [401],
  'forged signature': [401],
  'removed key': [401],
  'unknown key': [401],
  garbage: [400, 401],
  none: [401],
}
/** The right answers as far as revocations decide them. */
const OF_REVOCATIONS = {
  revoked: { always: [401], duringFault: [401, 503] },
  'being revoked': { always: [200, 401], duringFault: [200, 401, 503] },
  unchecked: { always: [503], duringFault: [503] },
  'perhaps unchecked': { always: [200, 503], duringFault: [200, 503] },
} as const satisfies Record<string, Record<'always' | 'duringFault', readonly Outcome[]>>

/** To these the answer may be 503 while the issuer cannot be asked: only it knows its newest keys. */
const ASKED_FOR: readonly TokenClass[] = ['removed key', 'new key']

function isOfRevocations(token: TokenClass): token is keyof typeof OF_REVOCATIONS {
  return Object.hasOwn(OF_REVOCATIONS, token)
}

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
    if (isOfRevocations(token)) {
      const right: readonly Outcome[] = OF_REVOCATIONS[token][mayFail ? 'duringFault' : 'always']
      if (right.includes(outcome)) return undefined
      if (outcome === 503) return 'needless503'
      if (outcome === 401) return 'falseRefusals'
      return outcome === 200 ? 'falseAccepts' : 'odd'
    }
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
