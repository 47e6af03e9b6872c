/** The request editor: what is sent, what comes back, and why. */

import { useEffect, useState } from 'preact/hooks'
import type { Draft, Exchange, State } from '../model.ts'
import type { Kind } from '../tokens.ts'
import { createToken, send } from './api.ts'
import { Choice, Code, Section, Select, Status, TextArea } from './parts.tsx'
import { SnippetTabs } from './snippets.tsx'

const ROUTES = [
  ['GET /echo/get/json', 'GET /echo/get/json, needs the scope read'],
  ['POST /echo/post/json', 'POST /echo/post/json, needs the scope write'],
  ['POST /echo/post/form', 'POST /echo/post/form, needs the scope write'],
] as const

type Route = (typeof ROUTES)[number][0]

const BODIES: Readonly<Record<Route, readonly [type: string, body: string]>> = {
  'GET /echo/get/json': ['', ''],
  'POST /echo/post/json': [
    'application/json',
    '{\n  "employee": { "name": "Emma", "age": 28, "city": "Boston" }\n}',
  ],
  'POST /echo/post/form': ['application/x-www-form-urlencoded', 'name=Emma+Stone&city=Boston'],
}

/** One header per line. */
function headersOf(text: string): Draft['headers'] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.map((line) => {
    const colon = line.indexOf(':')
    // A line without a colon is sent as a name, which the server of the page rejects.
    return colon < 1 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  })
}

export function RequestEditor(props: { readonly state: State; readonly onToken: (token: string) => void }) {
  const { hosts, kinds } = props.state
  const [host, setHost] = useState<string>(hosts[0]?.name ?? '')
  const [route, setRoute] = useState<Route>('GET /echo/get/json')
  const [kind, setKind] = useState<Kind>('jwt')
  const [token, setToken] = useState('')
  const [headers, setHeaders] = useState('Accept: application/json')
  const [body, setBody] = useState('')
  const [exchange, setExchange] = useState<Exchange>()
  const [problem, setProblem] = useState('')
  const [isBusy, setBusy] = useState(false)

  useEffect(() => {
    if (kind === 'own') return
    let isCurrent = true
    createToken(kind).then(
      (made) => isCurrent && setToken(made.token),
      () =>
        isCurrent &&
        setProblem('The authorization server does not answer. Start it again in the section below.'),
    )
    return () => {
      isCurrent = false
    }
  }, [kind])

  const chooseRoute = (next: Route) => {
    const [type, text] = BODIES[next]
    const others = headers.split('\n').filter((line) => !/^content-type:/i.test(line))
    setHeaders([...others, ...(type === '' ? [] : [`Content-Type: ${type}`])].join('\n'))
    setBody(text)
    setRoute(next)
  }
  const [method, path] = route.split(' ') as [Draft['method'], string]
  const draft: Draft = { host, method, path, token, headers: headersOf(headers), body }
  const submit = async () => {
    setBusy(true)
    setProblem('')
    try {
      setExchange(await send(draft))
    } catch (cause) {
      setExchange(undefined)
      setProblem((cause as Error).message)
    }
    setBusy(false)
  }

  return (
    <Section
      id="request"
      title="Send a request"
      lead="A bearer token is a text that opens an API to whoever has it, like a key. Choose one, and send it to a real API. All three hosts use the same gate."
    >
      <div class="columns">
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void submit()
          }}
        >
          <Choice
            legend="Host"
            options={hosts.map(({ name }) => [name, name] as const)}
            value={host}
            onChange={setHost}
          />
          <Select label="Route" options={ROUTES} value={route} onChange={chooseRoute} />
          <Select label="Token" options={kinds} value={kind} onChange={setKind} />
          {kind !== 'none' && (
            <TextArea
              label={kind === 'own' ? 'Your token' : 'The token, which you can change'}
              rows={4}
              value={token}
              onInput={(text) => {
                setKind('own')
                setToken(text)
              }}
            />
          )}
          <TextArea label="Headers" rows={2} value={headers} onInput={setHeaders} />
          {method === 'POST' && <TextArea label="Body" rows={3} value={body} onInput={setBody} />}
          <div class="actions">
            <button type="submit" disabled={isBusy}>
              Send
            </button>
            {kind !== 'none' && (
              <button type="button" class="quiet" onClick={() => props.onToken(token)}>
                Inspect this token
              </button>
            )}
          </div>
          {problem !== '' && <p role="alert">{problem}</p>}
        </form>
        <Answer exchange={exchange} />
      </div>
      <SnippetTabs draft={draft} />
    </Section>
  )
}

function Answer({ exchange }: { readonly exchange: Exchange | undefined }) {
  return (
    <div class="answer" aria-live="polite">
      {exchange === undefined ? (
        <p class="empty">The answer appears here.</p>
      ) : (
        <>
          <p class="verdict">
            <Status status={exchange.status} /> {exchange.why}
          </p>
          {exchange.fix !== undefined && <p>{exchange.fix}</p>}
          <p class="rfc">{exchange.rfc}</p>
          {exchange.challenge !== undefined && (
            <table>
              <caption>WWW-Authenticate: Bearer</caption>
              <tbody>
                {exchange.challenge.map(([name, value]) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td>{value}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          <h3>Request</h3>
          <Code label="Request">{exchange.request}</Code>
          <h3>Response</h3>
          <Code label="Response">{exchange.response}</Code>
        </>
      )}
    </div>
  )
}
