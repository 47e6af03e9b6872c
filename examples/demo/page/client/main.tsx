/** The page: four sections, in the order in which a newcomer asks. */

import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { State } from '../model.ts'
import { loadState } from './api.ts'
import { Inspector } from './inspector.tsx'
import { Login } from './login.tsx'
import { Outage } from './outage.tsx'
import { RequestEditor } from './request.tsx'

const SECTIONS = [
  ['request', 'Request'],
  ['login', 'Login'],
  ['inspect', 'Inspect'],
  ['outage', 'Outage'],
] as const

function Page() {
  const [state, setState] = useState<State>()
  const [token, setToken] = useState('')
  useEffect(() => void loadState().then(setState), [])
  const inspect = (chosen: string) => {
    setToken(chosen)
    document.getElementById('inspect')?.scrollIntoView()
  }
  return (
    <>
      <header>
        <h1>bearergate</h1>
        <nav aria-label="Sections">
          {SECTIONS.map(([id, words]) => (
            <a key={id} href={`#${id}`}>
              {words}
            </a>
          ))}
        </nav>
      </header>
      <main>
        {state !== undefined && (
          <>
            <RequestEditor state={state} onToken={inspect} />
            <Login state={state} />
            <Inspector token={token} onToken={setToken} />
            <Outage state={state} />
          </>
        )}
      </main>
      <footer>
        Everything here is real: {state?.issuer ?? 'an authorization server'} is oidc-provider, and the APIs
        run on Express, Koa and fetch.
      </footer>
    </>
  )
}

const app = document.getElementById('app')
if (app !== null) render(<Page />, app)
