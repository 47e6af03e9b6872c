/** Warns about mistakes in the code of the application that the answers do not explain. */

import { isConfigurationError } from '../lib/configuration-error.ts'
import { lastingMistake } from '../model/unavailable.ts'

/** The number of different warnings of one gate. */
const MAX_WARNINGS = 16
/** The errors that the runtime throws if code is wrong. Their messages may quote a token, so only their names are used. */
const PROGRAMMING = ['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError']

/** Warns once for each message, on the console or by `process.emitWarning`. */
export class Mistakes {
  readonly #told = new Set<string>()

  /** @param cause why a request is answered 503. Only a mistake in the code or the configuration has a warning */
  warn(cause: unknown): void {
    try {
      const message = messageOf(cause)
      if (message !== undefined)
        this.tell(
          `A token could not be checked, and the answer is 503: ${message}. Set "onDecision" to see each case`,
        )
    } catch {} // The cause may be any value, even a revoked Proxy.
  }

  /** @param message what is wrong, without anything that a client sent */
  tell(message: string): void {
    if (this.#told.has(message) || this.#told.size >= MAX_WARNINGS) return
    this.#told.add(message)
    emit(`${message}.`)
  }
}

function messageOf(cause: unknown): string | undefined {
  const lasting = isConfigurationError(cause) ? cause.message : lastingMistake(cause)
  if (lasting !== undefined) return lasting
  // `fetch` throws a TypeError with a cause if the network fails.
  if (!(cause instanceof Error) || cause.cause !== undefined) return undefined
  const type = programmingError(cause)
  return type === undefined ? undefined : `a function of the application threw ${type}`
}

/** Names an error of the runtime that wrong code causes. `undefined` for any other value. */
export function programmingError(cause: unknown): string | undefined {
  try {
    const type = PROGRAMMING.find((name) => (cause as Error).constructor.name === name)
    return type && `a ${type}`
  } catch {
    return undefined // The value may be `null`, or even a revoked Proxy.
  }
}

const CODE = 'BEARERGATE_MISTAKE'

function emit(message: string): void {
  const host = (Reflect.get(globalThis, 'process') ?? {}) as {
    emitWarning?: (message: string, options: { type: string; code: string }) => void
  }
  if (typeof host.emitWarning === 'function')
    host.emitWarning(message, { type: 'BearergateWarning', code: CODE })
  else console.warn(`BearergateWarning [${CODE}]: ${message}`)
}
