/** Defines what the processes of the example tell each other. */

export interface Setup {
  readonly redis: string
  readonly issuer: string
  readonly audience: string
  readonly keys: { readonly keys: readonly object[] }
}

/** To an API: its configuration, a token to revoke, or a token to watch until it is rejected. */
export type Order =
  | { readonly setup: Setup }
  | { readonly revoke: string; readonly id: number }
  | { readonly watch: string; readonly id: number }

/** From an API. Times are of the monotonic clock of the machine, in milliseconds. */
export type Report =
  | { readonly origin: string }
  | { readonly id: number; readonly revokedAt: number }
  | { readonly id: number; readonly rejectedAt: number; readonly wasAcceptedAgain: boolean }

/** The monotonic clock of the machine, which all processes share. In milliseconds. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
