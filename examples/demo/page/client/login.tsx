/** Log in, use the opaque token, log out, and see the token rejected. */

import { useState } from 'preact/hooks'
import type { Exchange, Method, State } from '../model.ts'
import { send } from './api.ts'
import { Choice, Section, Status } from './parts.tsx'

interface Step {
  readonly words: string
  readonly status: number
  readonly why: string
}

const USERS = { emma: 'demo-password', guest: 'demo-guest' } as const

export function Login({ state }: { readonly state: State }) {
  const [user, setUser] = useState<keyof typeof USERS>('emma')
  const [token, setToken] = useState('')
  const [steps, setSteps] = useState<readonly Step[]>([])
  const [problem, setProblem] = useState('')

  const ask = async (
    words: string,
    method: Method,
    path: string,
    body: string,
    why?: string,
  ): Promise<Exchange | undefined> => {
    setProblem('')
    try {
      const isLogin = path === '/login'
      const headers = [['Content-Type', 'application/json']] as const
      const host = state.hosts[0]?.name ?? ''
      const answer = await send({ host, method, path, token: isLogin ? '' : token, headers, body })
      const step = {
        words,
        status: answer.status,
        why: answer.status === 200 && why !== undefined ? why : answer.why,
      }
      setSteps((before) => [...before, step])
      return answer
    } catch (cause) {
      setProblem((cause as Error).message)
      return undefined
    }
  }
  const logIn = async () => {
    setSteps([])
    const answer = await ask(
      'Log in',
      'POST',
      '/login',
      JSON.stringify({ user, password: USERS[user] }),
      'The API issued an opaque token. It stores only the hash of it.',
    )
    setToken(String((answer?.json as { access_token?: string } | undefined)?.access_token ?? ''))
  }

  return (
    <Section
      id="login"
      title="Log in and out"
      lead="An opaque token is a random text, whose meaning only the API knows. After the logout, the same token is rejected at once."
    >
      <Choice
        legend="User"
        options={[
          ['emma', 'Emma, who may read and write'],
          ['guest', 'a guest, who may read'],
        ]}
        value={user}
        onChange={setUser}
      />
      <div class="actions">
        <button type="button" onClick={() => void logIn()}>
          Log in
        </button>
        <button
          type="button"
          disabled={token === ''}
          onClick={() => void ask('Read', 'GET', '/echo/get/json', '')}
        >
          Read
        </button>
        <button
          type="button"
          disabled={token === ''}
          onClick={() => void ask('Write', 'POST', '/echo/post/json', '{}')}
        >
          Write
        </button>
        <button
          type="button"
          disabled={token === ''}
          onClick={() =>
            void ask(
              'Log out',
              'POST',
              '/logout',
              '',
              'The session is over: the API does not know its token any more.',
            )
          }
        >
          Log out
        </button>
      </div>
      {token !== '' && (
        <p>
          The token: <code class="token">{token}</code>
        </p>
      )}
      <ol class="steps" aria-live="polite">
        {steps.map(({ words, status, why }, index) => (
          <li key={index}>
            <span>{words}</span>
            <Status status={status} />
            <span>{why}</span>
          </li>
        ))}
      </ol>
      {problem !== '' && <p role="alert">{problem}</p>}
    </Section>
  )
}
