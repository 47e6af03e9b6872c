/** Limits the time of commands: a server that was stopped keeps its connections open, and never answers. */

/**
 * Rejects with a `SilenceError` if a command takes too long. The command may still end later, which then has no effect. The option
 * `timeout` of a command is no substitute: it ends when the command is sent. The timer does not keep the process alive.
 *
 * After a pause of the event loop, timers run before sockets are read. So an answer that is already there is read first:
 * otherwise each such pause would count as a failure of Redis, and clients can cause pauses.
 * @param milliseconds the time that it may take
 */
export async function within<T>(command: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let turn: NodeJS.Immediate | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      turn = setImmediate(() => reject(new SilenceError(milliseconds)))
    }, milliseconds).unref()
  })
  command.catch(() => {}) // It may fail after it was given up.
  try {
    return await Promise.race([command, late])
  } finally {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}

/** Redis did not answer in time. */
export class SilenceError extends Error {
  constructor(milliseconds: number) {
    super(`Redis did not answer within ${milliseconds} ms`)
  }
}
