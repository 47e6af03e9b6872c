/**
 * Defines the store in which processes share what an authorization server, or a lookup, said about a token.
 *
 * Without it, each process asks about each token once per `ttl`. With many processes, that is most of the load of the
 * authorization server.
 */

import type { Seconds } from '../model/units.ts'

/** The answer about a token, as JSON without the token. `null`: the token is unknown. */
export type SharedAnswer = Readonly<Record<string, unknown>> | null

/** An answer that this process got. */
export interface NewAnswer {
  readonly answer: SharedAnswer
  /** How long the store may keep it. In seconds, 0 if it must not keep it. Never longer than the token is valid. */
  readonly lifetime: Seconds
}

/** An answer from the store. */
export interface StoredAnswer {
  readonly answer: SharedAnswer
  /** How long ago it was given. In seconds. */
  readonly age: Seconds
}

/** A verifier that needs an answer. */
export interface ResultQuestion {
  /** Asks the authorization server, or calls `lookup`. Rejects if there is no answer. */
  ask(): Promise<NewAnswer>
  /** Whether the verifier may use a stored answer, by its age. An answer that it may not use counts as missing. */
  accepts(stored: StoredAnswer): boolean
  /** How long to wait at most for the answer of another process. In seconds. */
  readonly patience: Seconds
}

/**
 * Stores answers about tokens. `redisResults` of `@bearergate/redis` is one.
 *
 * Anyone who can write answers that the store returns can make the gate accept any token. So a store must return only what its
 * own `find` has stored, for example by a message authentication code.
 */
export interface ResultStore {
  /**
   * Returns the stored answer, or asks for a new one and stores it. If it rejects without asking, the answer to the request is
   * 503. Several processes may call it at once with the same name.
   * @param name identifies the token by its hash, and its verifier. It does not contain the token
   */
  find(name: string, question: ResultQuestion): Promise<StoredAnswer>
  /** Returns the state of the store as plain data without secrets, for `describe`. */
  describe?(): object
}
