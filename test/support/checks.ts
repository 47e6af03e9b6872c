/** Follows the signature checks of Node, which the core imports by name. */

import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { onTestFinished } from 'vitest'

interface Checks {
  readonly total: number
  /** How many ran at once, at most. */
  readonly most: number
}

/** Counts the signature checks from now on, until the test ends. */
export function followChecks(): Checks {
  const { verify } = crypto
  const checks = { total: 0, running: 0, most: 0 }
  onTestFinished(() => replace(verify))
  replace(((...args: unknown[]) => {
    const done = args.pop() as (...results: unknown[]) => void
    checks.total += 1
    checks.running += 1
    checks.most = Math.max(checks.most, checks.running)
    return (verify as (...all: unknown[]) => void)(...args, (...results: unknown[]) => {
      checks.running -= 1
      done(...results)
    })
  }) as typeof verify)
  return checks
}

function replace(verify: typeof crypto.verify): void {
  crypto.verify = verify
  syncBuiltinESMExports()
}
