/** Defines what the processes of the example tell each other. */

export interface Setup {
  readonly redis: string
  readonly issuer: string
  readonly audience: string
  readonly clientId: string
  readonly keys: { readonly keys: readonly Readonly<Record<string, unknown>>[] }
}

/** To an API: its configuration, or a token to watch until it is rejected. */
export type Order = { readonly setup: Setup } | { readonly watch: string; readonly id: string }

/** From an API. The time is of the monotonic clock of the machine, in milliseconds. */
export type Report =
  | { readonly origin: string }
  | { readonly id: string; readonly rejectedAt: number; readonly wasAcceptedAgain: boolean }

/** The monotonic clock of the machine, which all processes share. In milliseconds. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
