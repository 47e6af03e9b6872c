/** What every API of the demonstration answers with: who sent the request, and what came in it. */

import type { Identity } from '@bearergate/core'

export function echo({ subject, kind, scopes }: Identity, sent: unknown = null): object {
  return { from: { subject, kind, scopes }, sent }
}
