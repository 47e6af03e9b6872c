/** Finds the option that was probably meant by an unknown one. */

/**
 * The options of other libraries by their names in lower case, with the option here and how to use it. A hint is given only
 * if the function has that option.
 */
const RENAMED: Readonly<Record<string, readonly [name: string, hint?: string]>> = {
  issuerbaseurl: ['issuer'],
  iss: ['issuer'],
  authority: ['issuer'],
  domain: ['issuer', "such as issuer: 'https://id.example.com'"],
  aud: ['audience'],
  audiences: ['audience'],
  resourceid: ['audience'],
  jwksurl: ['jwksUri'],
  jwks_uri: ['jwksUri'],
  jwks: ['keys'],
  jwk: ['keys', 'such as keys: { keys: [jwk] }'],
  secretorkey: ['secret', 'or "publicKey" for a PEM'],
  secretorpublickey: ['secret', 'or "publicKey" for a PEM'],
  secretorkeyprovider: ['jwksUri', 'or "keys"'],
  tokensigningalg: ['algorithms', "such as algorithms: ['RS256']"],
  alg: ['algorithms', "such as algorithms: ['RS256']"],
  gettoken: ['tokenFrom', "such as tokenFrom: { cookie: 'session' }"],
  jwtfromrequest: ['tokenFrom', "such as tokenFrom: { cookie: 'session' }"],
  cookie: ['tokenFrom', "such as tokenFrom: { cookie: 'session' }"],
  cookiename: ['tokenFrom', "such as tokenFrom: { cookie: 'session' }"],
  header: ['tokenFrom', "such as tokenFrom: { header: 'X-Api-Key' }"],
  credentialsrequired: ['optional', 'optional: true allows requests without a token'],
  authrequired: ['optional', 'optional: true allows requests without a token'],
  passthrough: ['optional', 'optional: true allows requests without a token'],
  anonymous: ['optional', 'optional: true allows requests without a token'],
  validators: ['requiredClaims', "such as requiredClaims: { tenant: 'acme' }"],
  maxage: ['maxTokenAge', 'in seconds'],
  tokenage: ['maxTokenAge', 'in seconds'],
  clockskew: ['clockTolerance', 'in seconds'],
  leeway: ['clockTolerance', 'in seconds'],
  currentdate: ['now', 'now: () => Date.now()'],
  clocktimestamp: ['now', 'now: () => Date.now()'],
  ignoreexpiration: ['allowMissingExp', 'expired tokens are always rejected; it is for tokens without "exp"'],
  requireexp: ['allowMissingExp', 'together with "maxTokenAge"'],
  cooldownduration: ['cooldown', 'in seconds'],
  timeoutduration: ['timeout', 'in seconds'],
  freshfor: ['cacheMaxAge'],
  stalefor: ['staleIfError'],
  scope: ['requirement', "such as requirement: scope('read')"],
  authorize: ['requirement', "such as requirement: scope('read')"],
  onerror: ['onDecision'],
  debug: ['onDecision'],
  logger: ['onDecision'],
  onreject: ['onDenied'],
  validate: ['isRevoked', 'or "requiredClaims"'],
  client_id: ['clientId'],
  client_secret: ['clientSecret'],
  introspectionendpoint: ['endpoint'],
  introspection_endpoint: ['endpoint'],
}

/** Options of other libraries that no option here replaces, and what to use instead. */
const REPLACED: Readonly<Record<string, string>> = {
  requestproperty: 'read the identity with auth.identity(req), or as req.identity',
  resultproperty: 'read the identity with auth.identity(req), or as req.identity',
  userproperty: 'read the identity with auth.identity(req), or as req.identity',
  key: 'read the identity with auth.identity(ctx), or as ctx.state.identity',
  onexpired: 'expired tokens are always rejected; "clockTolerance" sets the tolerance in seconds',
  unless: 'mount the middleware on the routers that it protects',
  passreqtocallback:
    'to decide by the request, pass a function as the requirement of a route: auth.authorize((identity, request) => …)',
}

/** Returns the end of the message about an unknown option: what was meant, or the options that exist. */
export function didYouMean(name: string, known: readonly string[]): string {
  const lower = name.toLowerCase()
  const renamed = Object.hasOwn(RENAMED, lower) ? RENAMED[lower] : undefined
  if (renamed !== undefined && known.includes(renamed[0]))
    return `: did you mean "${renamed[0]}"${renamed[1] === undefined ? '' : ` (${renamed[1]})`}?`
  if (Object.hasOwn(REPLACED, lower) && known.length > MAX_LISTED) return `: ${REPLACED[lower]}`
  const near = nearest(lower, known)
  if (near !== undefined) return `: did you mean "${near}"?`
  return known.length > MAX_LISTED
    ? ': docs/options.md of @bearergate/core lists all options'
    : `: it has ${known.join(', ')}`
}

/** The number of options that a message lists. */
const MAX_LISTED = 12
/** Longer names are not compared. */
const MAX_LENGTH = 40

/** Returns the option that differs least, if at most a third of its characters differ. */
function nearest(lower: string, known: readonly string[]): string | undefined {
  if (lower.length > MAX_LENGTH) return undefined
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const option of known) {
    const differing = distance(lower, option.toLowerCase())
    if (differing < least && differing <= Math.max(1, Math.floor(option.length / 3))) {
      best = option
      least = differing
    }
  }
  return best
}

/** The number of characters to insert, remove or replace until both are equal (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1]
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (character === other[column - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
