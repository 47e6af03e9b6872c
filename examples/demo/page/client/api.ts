/** Calls the server of the page. */

import { useEffect, useState } from 'preact/hooks'
import type { Draft, Exchange, Explanation, Live, ServerReport, Snippet, State, Switch } from '../model.ts'
import type { Kind } from '../tokens.ts'

async function call<Answer>(path: string, sent: object): Promise<Answer> {
  const response = await fetch(`/api/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(sent),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error)
  return answer as Answer
}

export const createToken = (kind: Kind) => call<{ token: string }>('token', { kind })
export const send = (draft: Draft) => call<Exchange>('send', draft)
export const snippets = (draft: Draft, isReal: boolean) =>
  call<readonly Snippet[]>('snippets', { draft, isReal })
export const explain = (token: string) => call<Explanation>('explain', { token })
export const turn = (to: Switch) => call<ServerReport>('switch', { to })

export async function loadState(): Promise<State> {
  const response = await fetch('/api/state')
  return (await response.json()) as State
}

/** How many seconds the chart shows. */
export const WINDOW = 60

/** The last seconds of traffic, and the last report of the server. Traffic is sent only while this is used. */
export function useLive(): { readonly seconds: readonly Live[]; readonly report: ServerReport | undefined } {
  const [seconds, setSeconds] = useState<readonly Live[]>([])
  const [report, setReport] = useState<ServerReport>()
  useEffect(() => {
    const source = new EventSource('/api/live')
    source.onmessage = ({ data }) => {
      const live = JSON.parse(data) as Partial<Live> & ServerReport
      setReport(live)
      if (live.at !== undefined) setSeconds((before) => [...before.slice(1 - WINDOW), live as Live])
    }
    return () => source.close()
  }, [])
  return { seconds, report }
}
