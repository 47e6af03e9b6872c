/** Creates the errors of a wrong configuration: a `TypeError` with a stable code. */

/** The last part of each code. The list is closed, and each code has an entry in docs/errors.md. */
export const CONFIGURATION_CODES = [
  'UNKNOWN_OPTION',
  'MISSING_OPTION',
  'INVALID_OPTION',
  'CONFLICTING_OPTIONS',
  'INVALID_ISSUER',
  'INVALID_URL',
  'INVALID_AUDIENCE',
  'INVALID_ALGORITHM',
  'INVALID_KEY',
  'INVALID_SCOPE',
  'INVALID_REQUIREMENT',
  'INVALID_VERIFIER',
  'INVALID_ARGUMENT',
  'NOT_CALLED',
  'NOT_MOUNTED',
  'AMBIGUOUS_GATE',
] as const

export type ConfigurationCode = (typeof CONFIGURATION_CODES)[number]

/**
 * Creates the error for a mistake of the programmer.
 * @param code the last part of its `code`: `INVALID_KEY` becomes `ERR_BEARERGATE_INVALID_KEY`
 * @param message the option, what was expected, what was received, and what to write. Never a token or a secret
 */
export function configurationError(
  code: ConfigurationCode,
  message: string,
): TypeError & { readonly code: string } {
  return Object.assign(new TypeError(message), { code: `ERR_BEARERGATE_${code}` })
}

/** Whether a value of unknown origin is such an error. Its message contains no secret. */
export function isConfigurationError(cause: unknown): cause is TypeError {
  return cause instanceof TypeError && /^ERR_BEARERGATE_/.test(String((cause as { code?: unknown }).code))
}
