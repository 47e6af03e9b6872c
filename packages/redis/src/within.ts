/** Limits the time of a command: a server that was stopped keeps its connections open, and never answers. */

/**
 * Rejects if a command takes too long. The option `timeout` of a command is no substitute: it ends when the command is sent.
 * The timer does not keep the process alive.
 */
export async function within<T>(command: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Redis did not answer within ${milliseconds} ms`)),
      milliseconds,
    )
    timer.unref()
  })
  command.catch(() => {}) // It may fail after it was given up.
  try {
    return await Promise.race([command, late])
  } finally {
    clearTimeout(timer)
  }
}
