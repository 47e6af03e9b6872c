/** Decodes a JWT in the browser, and shows each check that the gate makes. */

import { useEffect, useState } from 'preact/hooks'
import type { Explanation } from '../model.ts'
import { explain } from './api.ts'
import { Code, Section, TextArea } from './parts.tsx'

/** Decodes a part of a JWT. Returns `undefined` if it is no JSON object. */
function decode(part: string): Record<string, unknown> | undefined {
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
      char.charCodeAt(0),
    )
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const DATES = ['exp', 'nbf', 'iat', 'auth_time']

function pretty(part: Record<string, unknown>): string {
  const text = JSON.stringify(part, null, 2)
  return DATES.reduce((result, name) => {
    const value = part[name]
    if (typeof value !== 'number' || Math.abs(value) > 1e11) return result
    return result.replace(
      `"${name}": ${value}`,
      `"${name}": ${value}  (${new Date(value * 1000).toLocaleString('en-GB')})`,
    )
  }, text)
}

const MARKS = { passed: '✓', failed: '✗', unavailable: '!', skipped: '–' } as const

export function Inspector(props: { readonly token: string; readonly onToken: (token: string) => void }) {
  const { token } = props
  const [explanation, setExplanation] = useState<Explanation>()
  useEffect(() => {
    setExplanation(undefined)
    if (token === '') return
    let isCurrent = true
    explain(token).then(
      (made) => isCurrent && setExplanation(made),
      () => {},
    )
    return () => {
      isCurrent = false
    }
  }, [token])
  const [header, claims] = token.split('.').slice(0, 2).map(decode)

  return (
    <Section
      id="inspect"
      title="Inspect a token"
      lead="A JWT is signed text, which anyone can read and only its issuer can write. Your browser decodes it, and the gate makes each of its checks."
    >
      <div class="columns">
        <div>
          <TextArea label="Token" rows={6} value={token} onInput={props.onToken} />
          {header !== undefined && claims !== undefined ? (
            <>
              <h3>Header</h3>
              <Code label="Header of the token">{pretty(header)}</Code>
              <h3>Claims</h3>
              <Code label="Claims of the token">{pretty(claims)}</Code>
            </>
          ) : (
            <p class="empty">
              {token === '' ? 'Paste a token, or choose one above.' : 'This text cannot be decoded as a JWT.'}
            </p>
          )}
        </div>
        <div aria-live="polite">{explanation !== undefined && <Checks explanation={explanation} />}</div>
      </div>
    </Section>
  )
}

function Checks({ explanation: { ok, checks, failed } }: { readonly explanation: Explanation }) {
  return (
    <>
      <p class="verdict">
        {ok ? 'The gate accepts this token.' : failed?.cause}
        {failed?.fix !== undefined && <span class="fix">{failed.fix}</span>}
      </p>
      <table class="checks">
        <caption>The checks of the gate, in order</caption>
        <thead>
          <tr>
            <th scope="col">check</th>
            <th scope="col">expected</th>
            <th scope="col">found</th>
          </tr>
        </thead>
        <tbody>
          {checks.map(({ name, result, expected, actual, rfc }) => (
            <tr key={name} class={result}>
              <th scope="row">
                <span aria-hidden="true">{MARKS[result]}</span> {name}
                <span class="hidden">: {result}</span>
                <small>{rfc}</small>
              </th>
              <td data-label="expected">{expected}</td>
              <td data-label="found">{actual}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
