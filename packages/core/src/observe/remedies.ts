/** Says what to do about a reason if nothing more is known about the token. */

import type { Reason } from '../model/rejection.ts'

/** A mistake in the token, the client, the issuer or the configuration. */
export interface Mistake {
  /** The reason why a check failed, in a sentence. */
  readonly cause: string
  /** The option, the setting of the issuer, or the code of the client that must change. */
  readonly fix: string
}

/** By reason. Reasons without an entry always have a mistake of their own. */
export const REMEDIES: Partial<Record<Reason, Mistake>> = {
  no_credentials: {
    cause: 'The request has no token where the gate looks for one.',
    fix: 'Send the header "Authorization: Bearer <token>".',
  },
  malformed_credentials: {
    cause: 'The text is no token: it has characters that no token has.',
    fix: 'Send the access token exactly as the token endpoint returned it.',
  },
  multiple_credentials: {
    cause: 'The request has more than one token.',
    fix: 'Send one token in one place. If the request must have several, set "tokenFrom.first".',
  },
  credentials_too_long: {
    cause: 'The token is longer than the gate allows.',
    fix: 'Raise "maxTokenLength", or make the issuer put less into the token.',
  },
  insecure_transport: {
    cause: 'Nothing shows that the request came over TLS.',
    fix: 'Use https. Behind a proxy, make the framework trust it, or set "isSecure".',
  },
  encrypted_token: {
    cause: 'The token is encrypted (a JWE), and only the holder of the key can read it.',
    fix: 'Turn token encryption for this API off at the issuer, or use introspection.',
  },
  unsupported_header: {
    cause: 'The header has a parameter that changes the meaning of the token, and that is not supported.',
    fix: 'Make the issuer send plain signed tokens, without "crit", "b64", "zip" and nested tokens.',
  },
  unknown_token: {
    cause: 'The token is unknown: it was never issued here, has expired, or was revoked.',
    fix: 'Get a new token. If it is new, check that it was issued by the store or server in which this API looks tokens up.',
  },
  revoked: {
    cause:
      'The token was revoked: itself, its session or all tokens of its subject by gate.revoke, or by "isRevoked".',
    fix: 'Get a new token.',
  },
  missing_proof: {
    cause: 'The token is bound to a key of the client ("cnf"): it is no plain bearer token.',
    fix: 'Turn DPoP and certificate-bound tokens off for this client or API at the issuer. This version cannot check the proof.',
  },
  unknown_user: {
    cause: 'The token is valid, but "loadUser" found no user for it.',
    fix: 'Create the user, or correct the key by which "loadUser" searches, such as identity.subject.',
  },
  insufficient_scope: {
    cause: 'The token is valid, but does not have what the requirement needs.',
    fix: 'Request the scope when the client gets its token, and allow it for the client at the issuer.',
  },
  insufficient_user_authentication: {
    cause: 'The user did not authenticate strongly or recently enough for the requirement.',
    fix: 'Make the client log the user in again with the acr_values and max_age of the challenge (RFC 9470 §4).',
  },
  missing_claim: {
    cause: 'A claim is missing.',
    fix: 'Make the issuer add the claim to access tokens for this API, or correct the option that requires it.',
  },
  invalid_claim: {
    cause: 'A claim has a value that is not allowed.',
    fix: 'Correct the claim at the issuer, or the option "requiredClaims" or "claims" that rejects it.',
  },
}
