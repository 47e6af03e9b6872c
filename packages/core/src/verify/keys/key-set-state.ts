/**
 * Defines the state of a fetched key set: no keys yet, or keys with the dates until which they are fresh and usable.
 *
 * A state is never changed, only replaced. The labels for operators follow from the dates:
 * `fresh` until `refreshAt`, `stale` until `usableUntil`, then `expired`.
 */

import type { Seconds } from '../../model/units.ts'
import type { VerificationKey } from './jwk.ts'
import { describeKeys, type KeySetDescription } from './key-set.ts'
import type { KeyDates } from './refresh-policy.ts'

export type KeySetState = EmptyKeySet | LoadedKeySet

/** No attempt has succeeded yet. */
export interface EmptyKeySet {
  readonly status: 'empty'
  readonly keys: readonly VerificationKey[]
}

/** An attempt has succeeded. Later failures do not change the keys. */
export interface LoadedKeySet extends KeyDates {
  readonly status: 'loaded'
  readonly keys: readonly VerificationKey[]
}

/** The state before the first success. */
export const EMPTY: EmptyKeySet = { status: 'empty', keys: [] }

/** Whether the keys may be used now, fresh or stale. */
export function isUsable(state: KeySetState, now: Seconds): boolean {
  return state.status === 'loaded' && now < state.usableUntil
}

/** Whether loaded keys are due for a refresh in the background. */
export function isRefreshDue(state: KeySetState, now: Seconds): boolean {
  return state.status === 'loaded' && now >= state.refreshAt
}

/** Returns how long the keys may still be used without another success. In seconds. */
export function usableFor(state: KeySetState, now: Seconds): Seconds {
  return state.status === 'loaded' ? Math.max(0, state.usableUntil - now) : 0
}

/** Describes the state for operators. */
export function describeState(state: KeySetState, now: Seconds): Omit<KeySetDescription, 'failures'> {
  return {
    state: labelOf(state, now),
    keys: describeKeys(state.keys),
    age: state.status === 'loaded' ? now - state.fetchedAt : undefined,
    usableFor: usableFor(state, now),
  }
}

/** Returns the label of a state for `describe()`. */
function labelOf(state: KeySetState, now: Seconds): KeySetDescription['state'] {
  if (state.status === 'empty') return 'empty'
  if (!isUsable(state, now)) return 'expired'
  return isRefreshDue(state, now) ? 'stale' : 'fresh'
}
