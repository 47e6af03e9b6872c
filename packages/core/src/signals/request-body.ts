/** Reads the bodies of messages, with a limit and a deadline: anyone can call an endpoint for events. */

import { raceAbort } from '../lib/abort.ts'
import { timeout } from '../lib/clock.ts'
import { ignoreRejection } from '../lib/promise.ts'
import type { Seconds } from '../model/units.ts'

/** The longest body that is read, in characters. Event tokens are small. */
const MAX_LENGTH = 65_536
/** How long a body may take to arrive. */
const DEADLINE: Seconds = 10

/** Why a body was not read to its end. A class, so that `instanceof` tells it from a text. */
export class UnreadBody {
  readonly status: 400 | 408 | 413
  readonly description: string

  constructor(status: UnreadBody['status'], description: string) {
    this.status = status
    this.description = description
  }
}

export const TOO_LONG: UnreadBody = new UnreadBody(413, `The body is longer than ${MAX_LENGTH} characters`)
const LATE = new UnreadBody(408, `The body did not arrive within ${DEADLINE} s`)
const ABORTED = new UnreadBody(400, 'The body broke off, or was read before')

/** Whether a text is longer than a body may be. */
export function isTooLong(text: unknown): boolean {
  return typeof text === 'string' && text.length > MAX_LENGTH
}

/** Reads the text of a body, or says why it cannot be read. Never rejects. */
export async function readBody(request: Request): Promise<string | UnreadBody> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_LENGTH) return TOO_LONG
  const deadline = timeout(DEADLINE)
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  try {
    reader = request.body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    while (reader !== undefined) {
      const { done, value } = await raceAbort(reader.read(), deadline)
      if (done) break
      text += decoder.decode(value, { stream: true })
      if (isTooLong(text)) return TOO_LONG
    }
    return text + decoder.decode()
  } catch {
    return deadline.aborted ? LATE : ABORTED
  } finally {
    // Lets the connection close. After the end of the body, it has no effect.
    ignoreRejection(reader?.cancel())
  }
}
