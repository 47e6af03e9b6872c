/** The request of the editor as code to copy. */

import { useEffect, useState } from 'preact/hooks'
import type { Draft, Snippet } from '../model.ts'
import { snippets } from './api.ts'
import { Choice, Code, Copy } from './parts.tsx'

export function SnippetTabs({ draft }: { readonly draft: Draft }) {
  const [all, setAll] = useState<readonly Snippet[]>([])
  const [name, setName] = useState('curl')
  const [isReal, setReal] = useState(false)
  const key = JSON.stringify([draft, isReal])
  // The key stands for the draft, which is a new object each time.
  useEffect(() => {
    let isCurrent = true
    snippets(draft, isReal).then(
      (made) => isCurrent && setAll(made),
      () => {},
    )
    return () => {
      isCurrent = false
    }
  }, [key])
  const code = all.find((snippet) => snippet.name === name)?.code ?? ''
  return (
    <div class="snippets">
      <h3>The same request as code</h3>
      <div class="bar">
        <Choice
          legend="Language"
          options={all.map((one) => [one.name, one.name] as const)}
          value={name}
          onChange={setName}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={isReal}
            onChange={(event) => setReal(event.currentTarget.checked)}
          />
          <span>with the token</span>
        </label>
        <Copy text={code} />
      </div>
      <Code label={`The request in ${name}`}>{code}</Code>
    </div>
  )
}
