/** The identity that verifiers of tests return if any one will do. */

import type { Identity } from '@bearergate/core'

export const identity: Identity = {
  kind: 'opaque',
  subject: 'emma',
  audience: [],
  scopes: ['read'],
  roles: [],
  claims: {},
}
