/** Checks the checker: it finds each kind of loss, and passes a run without any. */

import { describe, expect, it } from 'vitest'
import { Ledger, type Outcome, passes, type TokenClass } from './ledger.ts'

function verdictOf(token: TokenClass, outcome: Outcome, mayFail = false) {
  const ledger = new Ledger()
  ledger.came(ledger.sent(), token, outcome, mayFail)
  return ledger.verdict()
}

describe('the checker of "nothing lost"', () => {
  it.each<[TokenClass, Outcome, boolean]>([
    ['good', 200, false],
    ['good', 200, true],
    ['expired', 401, false],
    ['garbage', 400, false],
    ['unknown key', 503, false],
    ['removed key', 503, true],
    ['new key', 503, true],
    ['new key', 200, true],
    ['none', 401, false],
    ['good', 'aborted', false],
    ['revoked', 401, false],
    ['revoked', 503, true],
    ['being revoked', 200, false],
    ['being revoked', 401, false],
    ['being revoked', 503, true],
    ['unchecked', 503, true],
    ['perhaps unchecked', 200, true],
    ['perhaps unchecked', 503, true],
  ])('passes a request with token "%s" and outcome %s (fault: %s)', (token, outcome, mayFail) => {
    expect(passes(verdictOf(token, outcome, mayFail))).toBe(true)
  })

  it.each<[TokenClass, Outcome, boolean, string]>([
    ['good', 401, false, 'falseRefusals'],
    ['good', 503, true, 'falseRefusals'],
    ['expired', 200, false, 'falseAccepts'],
    ['removed key', 200, true, 'falseAccepts'],
    ['forged signature', 200, true, 'falseAccepts'],
    ['removed key', 503, false, 'needless503'],
    ['expired', 503, true, 'needless503'],
    ['garbage', 500, true, 'odd'],
    ['expired', 400, false, 'odd'],
    ['good', 'lost', false, 'lost'],
    ['revoked', 200, true, 'falseAccepts'],
    ['revoked', 503, false, 'needless503'],
    ['revoked', 500, true, 'odd'],
    ['being revoked', 503, false, 'needless503'],
    ['unchecked', 200, true, 'falseAccepts'],
    ['perhaps unchecked', 401, true, 'falseRefusals'],
  ])('fails a request with token "%s" and outcome %s (fault: %s) as %s', (token, outcome, mayFail, why) => {
    const verdict = verdictOf(token, outcome, mayFail)
    expect(verdict).toMatchObject({ [why]: 1 })
    expect(verdict.examples).toHaveLength(1)
    expect(passes(verdict)).toBe(false)
  })

  it('fails if a request was sent and never answered, and if no request was sent', () => {
    const ledger = new Ledger()
    ledger.sent()
    expect(ledger.verdict()).toMatchObject({ sent: 1, lost: 1 })
    expect(passes(ledger.verdict())).toBe(false)
    expect(passes(new Ledger().verdict())).toBe(false)
  })
})
