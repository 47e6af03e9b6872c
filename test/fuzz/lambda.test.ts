/** Arbitrary Lambda events, against a reader of the tests' own: whom a handler is called for, and what an authorizer says. */

import { createGate, type Gate, UnavailableError } from '@bearergate/core'
import {
  type LambdaAuthorizerEvent,
  type LambdaAuthorizerOptions,
  type LambdaEvent,
  type LambdaPolicy,
  type LambdaSimpleResponse,
  lambda,
  lambdaAuthorizer,
} from '@bearergate/core/lambda'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authorizationOf, authorizerEvent, event, GOOD, readLines, type Status, UNCLEAR } from './events.ts'
import { AGAIN, fuzz, scaled } from './run.ts'

const identity = { kind: 'opaque', subject: 'emma', audience: [], scopes: [], roles: [], claims: {} } as const

function gateOf(settings: object = {}): Gate {
  return createGate({
    verifier: {
      verify(token: string) {
        if (token === UNCLEAR) throw new UnavailableError('later')
        return token === GOOD ? { active: true, identity } : { active: false, reason: 'unknown_token' }
      },
    },
    ...settings,
  }) as Gate
}

const anywhere = {
  tokenFrom: { header: true, query: true, form: true, cookie: 'session' },
  allowPreflight: { methods: ['GET'] },
  resource: 'https://api.example.com',
}

interface Called {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** How often the handler was called. */
  readonly calls: number
}

/** Calls a handler behind a gate with an event. */
async function call(gate: Gate, given: unknown): Promise<Called> {
  let calls = 0
  const handler = lambda(gate, (_event: LambdaEvent, identity) => {
    calls += 1
    return { statusCode: 200, headers: {}, body: identity.subject }
  })
  return { ...(await handler(given as LambdaEvent)), calls }
}

function isSent(given: unknown): boolean {
  const text = JSON.stringify(given)
  return text.includes(GOOD) || text.includes(btoa(`access_token=${GOOD}`))
}

function faultOf({ statusCode, calls, body }: Called, expected: Status): string | undefined {
  if (statusCode !== expected) return `answered ${statusCode}, not ${expected}`
  if (calls !== (expected === 200 ? 1 : 0)) return `called the handler ${calls} times`
  return expected === 200 && body !== 'emma' ? 'another identity' : undefined
}

const OPTIONS: readonly LambdaAuthorizerOptions[] = [
  {},
  { response: 'simple' },
  { response: 'policy' },
  { response: 'policy', policyScope: 'stage' },
]

type Authorization = LambdaPolicy | LambdaSimpleResponse

/** What an authorizer answers to an event, or the message of its error. */
async function authorize(
  gate: Gate,
  options: LambdaAuthorizerOptions,
  given: unknown,
): Promise<Authorization | string> {
  try {
    return await lambdaAuthorizer(gate, options)(given as LambdaAuthorizerEvent)
  } catch (error) {
    if (error instanceof Error && Object.getPrototypeOf(error) === Error.prototype) return error.message
    throw error
  }
}

/** What another reader makes of an authorizer's event: its status, the default answer, and the ARN that is asked for. */
function readAuthorizerEvent(given: unknown) {
  const event = (typeof given === 'object' && given !== null ? given : {}) as Readonly<
    Record<string, unknown>
  >
  const { type, version, authorizationToken, methodArn, routeArn } = event
  const arn = methodArn ?? routeArn
  return {
    status: type === 'TOKEN' ? readToken(authorizationToken) : readLines(authorizationOf(given)),
    isSimple: version === '2.0',
    arn: typeof arn === 'string' && arn !== '' ? arn : undefined,
  }
}

/** The one value that a TOKEN authorizer is told. In an array it is a list of lines, of which there must be one. */
function readToken(value: unknown): Status {
  if (value === undefined) return 401
  return Array.isArray(value) ? (value.length === 0 ? 400 : readLines(value)) : readLines([value])
}

/** Whether a policy is about what was asked for, and IAM reads no pattern and no variable in its path. */
function isAbout(resource: string, arn: string, allow: LambdaAuthorizerOptions['policyScope']): boolean {
  const asked = arn.split('/')
  if (allow === 'stage') return resource === [...asked.slice(0, 2), '*'].join('/')
  const named = resource.split('/')
  if ([0, 1, 2].some((index) => (named[index] ?? '') !== (asked[index] ?? ''))) return false
  const path = named.slice(3).join('/')
  // IAM reads these three as the character itself.
  const escaped = /\$\{([*?$])\}/g
  return (
    !/[*?]|\$\{/.test(path.replaceAll(escaped, '')) &&
    path.replaceAll(escaped, '$1') === asked.slice(3).join('/')
  )
}

describe('a Lambda handler', () => {
  it('is called for the events alone in which another reader finds the good token, of 20,000 (BI03)', async () => {
    const gate = gateOf()
    const statuses = new Set<Status>()
    const property = fc.asyncProperty(event, async (given) => {
      const expected = readLines(authorizationOf(given))
      statuses.add(expected)
      const fault = faultOf(await call(gate, given), expected)
      if (fault !== undefined) throw new Error(fault)
    })
    expect(await fuzz('BI03 lambda', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect([...statuses].sort(), AGAIN).toEqual([200, 400, 401, 503])
  })

  it('the handler is called for none of 20,000 events without the valid token in an allowed place (BI02)', async () => {
    const gate = gateOf(anywhere)
    const counts = { called: 0, preflight: 0, answered: 0 }
    const property = fc.asyncProperty(event, async (given) => {
      const { statusCode, calls, headers } = await call(gate, given)
      const isPreflight = statusCode === 204 && headers['Access-Control-Max-Age'] !== undefined
      counts[calls === 1 ? 'called' : isPreflight ? 'preflight' : 'answered'] += 1
      if (calls === 1) return statusCode === 200 && isSent(given)
      // The metadata and preflights are answered without a token.
      return calls === 0 && [200, 204, 405, 400, 401, 503].includes(statusCode)
    })
    expect(await fuzz('BI02 lambda', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect(Math.min(...Object.values(counts)), AGAIN).toBeGreaterThanOrEqual(scaled(20_000) / 1_000)
  })
})

describe('a Lambda authorizer', () => {
  it('allows the events alone in which another reader finds the good token, of 20,000 (BI03)', async () => {
    const gate = gateOf()
    const answers = new Set<string>()
    const property = fc.asyncProperty(
      authorizerEvent,
      fc.constantFrom(...OPTIONS),
      async (given, options) => {
        const { status, isSimple, arn } = readAuthorizerEvent(given)
        const answer = await authorize(gate, options, given)
        answers.add(
          typeof answer === 'string'
            ? answer
            : 'isAuthorized' in answer
              ? `${answer.isAuthorized}`
              : 'policy',
        )
        if (status === 503) return answer === 'The access token could not be checked'
        if (options.response === undefined ? isSimple : options.response === 'simple')
          return (
            typeof answer === 'object' && 'isAuthorized' in answer && answer.isAuthorized === (status === 200)
          )
        if (status !== 200 || arn === undefined) return answer === 'Unauthorized'
        if (typeof answer === 'string' || !('policyDocument' in answer)) return false
        const [statement, ...others] = answer.policyDocument.Statement
        return (
          others.length === 0 &&
          answer.principalId === 'emma' &&
          statement?.Effect === 'Allow' &&
          statement.Action === 'execute-api:Invoke' &&
          isAbout(statement.Resource, arn, options.policyScope)
        )
      },
    )
    expect(await fuzz('BI03 authorizer', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect([...answers].sort(), AGAIN).toEqual([
      'The access token could not be checked',
      'Unauthorized',
      'false',
      'policy',
      'true',
    ])
  })
})
