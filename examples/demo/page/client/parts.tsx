/** The parts that every section of the page uses. */

import type { ComponentChildren } from 'preact'
import { useId, useState } from 'preact/hooks'

export function Section(props: {
  readonly id: string
  readonly title: string
  readonly lead: string
  readonly children: ComponentChildren
}) {
  return (
    <section id={props.id} aria-labelledby={`${props.id}-title`}>
      <h2 id={`${props.id}-title`}>{props.title}</h2>
      <p class="lead">{props.lead}</p>
      {props.children}
    </section>
  )
}

/** One of several values, all of which are seen at once. Arrow keys choose, as for all radio buttons. */
export function Choice<Value extends string>(props: {
  readonly legend: string
  readonly options: readonly (readonly [value: Value, words: string])[]
  readonly value: Value
  readonly onChange: (value: Value) => void
}) {
  const name = useId()
  return (
    <fieldset class="choice">
      <legend>{props.legend}</legend>
      <div>
        {props.options.map(([value, words]) => (
          <label key={value}>
            <input
              type="radio"
              name={name}
              value={value}
              checked={value === props.value}
              onChange={() => props.onChange(value)}
            />
            <span>{words}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

export function Select<Value extends string>(props: {
  readonly label: string
  readonly options: readonly (readonly [value: Value, words: string])[]
  readonly value: Value
  readonly onChange: (value: Value) => void
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value as Value)}>
        {props.options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  )
}

export function TextArea(props: {
  readonly label: string
  readonly value: string
  readonly rows: number
  readonly onInput: (value: string) => void
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <textarea
        rows={props.rows}
        spellcheck={false}
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </label>
  )
}

/** Text as it was sent, which can be scrolled by keyboard. */
export function Code(props: { readonly label: string; readonly children: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section class="code" tabIndex={0} aria-label={props.label}>
      <pre>{props.children}</pre>
    </section>
  )
}

export function Copy(props: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(props.text)
    setCopied(true)
    setTimeout(() => setCopied(false), 2000)
  }
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      {isCopied ? 'Copied' : 'Copy'}
    </button>
  )
}

/** A status code, coloured by its class, which its number says as well. */
export function Status(props: { readonly status: number }) {
  return <strong class={`status s${Math.floor(props.status / 100)}`}>{props.status}</strong>
}
