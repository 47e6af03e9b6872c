/** Sends requests with an access token, and reacts to the answers of the API as RFC 6750 and RFC 9110 intend. */

/** How often a request is sent at most. */
const MAX_ATTEMPTS = 6
/** The longest wait between two attempts. In seconds. */
const MAX_WAIT = 30

/**
 * @param {() => Promise<string>} getToken gets a new access token
 * @param {(attempt: { status: number, error: string | undefined, wait: number | undefined }) => void} onAttempt
 */
export function createClient(getToken, onAttempt = () => {}) {
  let token

  return {
    /** Replaces the token, to show what happens with a bad one. */
    setToken(other) {
      token = other
    },

    async request(url, init = {}) {
      let isRenewed = false
      for (let attempt = 1; ; attempt += 1) {
        token ??= await getToken()
        const headers = { ...init.headers, authorization: `Bearer ${token}` }
        const response = await fetch(url, { ...init, headers })
        const { status } = response
        const error = errorOf(response.headers.get('www-authenticate'))
        const isLast = attempt >= MAX_ATTEMPTS
        // 401: the token is not valid any more. A new one may be, but a second new one would not be better.
        if (status === 401 && !isRenewed) {
          onAttempt({ status, error, wait: undefined })
          isRenewed = true
          token = undefined
          continue
        }
        // 503: the token may be good, so it is kept. The API did nothing yet, so the request can be repeated.
        if (status === 503 && !isLast) {
          const wait = waitOf(response.headers.get('retry-after'), attempt)
          onAttempt({ status, error, wait })
          await new Promise((resolve) => setTimeout(resolve, wait * 1000))
          continue
        }
        // 403: the token is valid, and another one of the same kind has no more rights. Ask the user instead.
        onAttempt({ status, error, wait: undefined })
        return response
      }
    },
  }
}

/** Reads the error code of a challenge (RFC 6750 §3). There is none if no token was sent. */
function errorOf(challenge) {
  return /[ ,]error="([^"]*)"/.exec(challenge ?? '')?.[1]
}

/** Doubles the wait with each attempt, with jitter, so that clients do not all come back at once. `Retry-After` is the least. */
function waitOf(retryAfter, attempt) {
  const backoff = 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
  return Math.min(Math.max(Number(retryAfter) || 0, backoff), MAX_WAIT)
}
