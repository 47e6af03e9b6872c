/** What is used here of peers that have no types of their own. */

declare module 'passport' {
  import type { RequestHandler } from 'express'

  interface Authenticator {
    use(strategy: object): this
    authenticate(strategy: string, options: { session: false }): RequestHandler
  }
  const passport: { Passport: new () => Authenticator }
  export default passport
}

declare module 'passport-jwt' {
  type Done = (error: unknown, user: object | false) => void
  interface StrategyOptions {
    jwtFromRequest: object
    secretOrKeyProvider: unknown
    issuer: string
    audience: string
    algorithms: readonly string[]
  }
  const passportJwt: {
    Strategy: new (options: StrategyOptions, verify: (payload: object, done: Done) => void) => object
    ExtractJwt: { fromAuthHeaderAsBearerToken(): object }
  }
  export default passportJwt
}

declare module 'passport-http-bearer' {
  type Done = (error: unknown, user: object | false) => void
  const bearer: { Strategy: new (verify: (token: string, done: Done) => void) => object }
  export default bearer
}
