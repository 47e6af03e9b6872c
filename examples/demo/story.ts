/** What each API is asked in turn, and what it must answer. */

import type { Api } from './apis.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import type { Sessions } from './sessions.ts'
import { withOneChange, withSubject } from './tampering.ts'
import type { Step, Token, Transcript } from './transcript.ts'

export const EMPLOYEE = { employee: { name: 'Emma', age: 28, city: 'Boston' } } as const
const INVALID = { status: 401, error: 'invalid_token' } as const
const FORBIDDEN = { status: 403, error: 'insufficient_scope' } as const

export async function tell(
  transcript: Transcript,
  { name, origin }: Api,
  server: AuthorizationServer,
  sessions: Sessions,
): Promise<void> {
  const ask = (title: string, step: Omit<Step, 'title'>) => transcript.ask(origin, { title, ...step })
  const get = { method: 'GET', path: '/echo/get/json' } as const
  const postJson = { method: 'POST', path: '/echo/post/json', json: EMPLOYEE } as const
  const form = { name: 'Emma Stone', city: 'Boston' }
  const postForm = { method: 'POST', path: '/echo/post/form', form } as const
  const asSent = { status: 200, sent: EMPLOYEE }

  transcript.heading(`${name} on ${origin}`)
  await ask('Without a token', { ...get, expected: { status: 401 } })
  const garbage = { words: 'two words', text: 'two words' }
  await ask('With something that is no token', {
    ...get,
    token: garbage,
    expected: { status: 400, error: 'invalid_request' },
  })

  const jwt = token('<JWT>', await server.issue('read write'))
  await ask('With a JWT', { ...get, token: jwt, expected: { status: 200, sent: null } })
  await ask('A JSON body with a JWT', { ...postJson, token: jwt, expected: asSent })
  await ask('A form with a JWT', { ...postForm, token: jwt, expected: { status: 200, sent: form } })

  const login = { method: 'POST', path: '/login' } as const
  const emma = { user: 'emma', password: 'demo-password' }
  const { body } = await ask('A login, which issues an opaque token', {
    ...login,
    json: emma,
    expected: { status: 200 },
  })
  const issued = String(body.access_token)
  const own = token('<opaque token>', issued)
  await ask('With an opaque token', { ...get, token: own, expected: { status: 200, sent: null } })
  await ask('A JSON body with an opaque token', { ...postJson, token: own, expected: asSent })
  await ask('A form with an opaque token', { ...postForm, token: own, expected: { status: 200, sent: form } })

  const late = token('<JWT that expired an hour ago>', await server.issueExpired('read write'))
  await ask('With a JWT that expired', { ...get, token: late, expected: INVALID })
  const over = await sessions.open('emma', ['read', 'write'], -1)
  await ask('With an opaque token that expired', {
    ...get,
    token: token('<opaque token that expired a second ago>', over),
    expected: INVALID,
  })

  const forged = token('<JWT with another subject written into it>', withSubject(jwt.text, 'admin'))
  await ask('With a JWT that was tampered with', { ...get, token: forged, expected: INVALID })
  const mistyped = token('<opaque token with a character changed>', withOneChange(issued))
  await ask('With an opaque token that was tampered with', { ...get, token: mistyped, expected: INVALID })
  const elsewhere = await server.issue('read write', 'https://other.example.com')
  await ask('With a JWT for another API', {
    ...get,
    token: token('<JWT for another audience>', elsewhere),
    expected: INVALID,
  })

  const reader = token('<JWT with the scope read>', await server.issue('read'))
  await ask('A JSON body with a JWT of too little scope', {
    ...postJson,
    token: reader,
    expected: FORBIDDEN,
  })
  const guest = token('<opaque token with the scope read>', await sessions.open('guest', ['read']))
  await ask('A form with an opaque token of too little scope', {
    ...postForm,
    token: guest,
    expected: FORBIDDEN,
  })

  const logout = { method: 'POST', path: '/logout', token: own } as const
  await ask('A logout, which revokes the opaque token', { ...logout, expected: { status: 200 } })
  const revoked = token('<opaque token that was revoked>', issued)
  await ask('With the opaque token that was revoked', { ...get, token: revoked, expected: INVALID })
}

function token(words: string, text: string): Token {
  return { words, text }
}
