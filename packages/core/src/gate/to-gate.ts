/** Accepts a gate or its options, as the middleware of Express and Koa does. */

import { assertCalled } from '../lib/called.ts'
import { configurationError } from '../lib/configuration-error.ts'
import type { Identity } from '../model/identity.ts'
import { createGate } from './create-gate.ts'
import type { Gate } from './interface.ts'
import type { VerifierGateOptions } from './options.ts'

/**
 * Returns a gate unchanged, or creates one from options.
 * @param more further arguments, which a caller would lose silently
 * @throws TypeError if there are any, or an option is unknown, missing or invalid
 */
export function toGate<I extends Identity<unknown> | undefined, User = unknown>(
  options: object | Gate<I, User>,
  more: readonly unknown[] = [],
): Gate<I, User> {
  assertCalled(
    'bearer',
    options,
    "app.use(bearer({ issuer: 'https://id.example.com', audience: 'https://api.example.com' }))",
  )
  if (more.length > 0)
    throw configurationError(
      'INVALID_ARGUMENT',
      'bearer() takes one argument: options, or a gate, which already has its options. Put all options into one object',
    )
  if (typeof options === 'object' && options !== null && 'authenticate' in options && 'protect' in options)
    return options as Gate<I, User>
  if (options === undefined)
    throw configurationError(
      'MISSING_OPTION',
      'bearer() needs options, such as { issuer, audience }, or a gate, but received undefined',
    )
  return createGate(options as VerifierGateOptions) as unknown as Gate<I, User>
}
