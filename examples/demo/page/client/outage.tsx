/** Switches of the authorization server, and what they do to the traffic of two APIs. */

import { useState } from 'preact/hooks'
import type { Live, ServerReport, State, Switch } from '../model.ts'
import { turn, useLive } from './api.ts'
import { Chart } from './chart.tsx'
import { Section } from './parts.tsx'

/** How many seconds the share of good answers is computed from. */
const RECENT = 5

const SWITCHES: readonly (readonly [to: Switch, words: string, isOn: (report: ServerReport) => boolean])[] = [
  ['up', 'Run', ({ state }) => state === 'up'],
  ['stopped', 'Stop', ({ state }) => state === 'stopped'],
  ['hanging', 'Hang', ({ state }) => state === 'hanging'],
]

const STATES = {
  up: 'The authorization server answers.',
  stopped: 'The authorization server is down.',
  hanging: 'The authorization server accepts requests, and never answers.',
} as const

export function Outage({ state }: { readonly state: State }) {
  const { seconds, report } = useLive()
  const [told, setTold] = useState<ServerReport>()
  const current =
    told !== undefined && told.timePassed >= (report?.timePassed ?? 0) ? { ...report, ...told } : report
  const act = (to: Switch) => void turn(to).then(setTold, () => {})
  return (
    <Section
      id="outage"
      title="Stop the authorization server"
      lead="Two APIs get the same traffic: good tokens, expired ones, tokens without the scope, and requests without a token. Stop the server, let 20 minutes pass, and compare."
    >
      <div class="switches">
        <fieldset>
          <legend>The authorization server</legend>
          <div class="actions">
            {SWITCHES.map(([to, words, isOn]) => (
              <button
                key={to}
                type="button"
                aria-pressed={current !== undefined && isOn(current)}
                onClick={() => act(to)}
              >
                {words}
              </button>
            ))}
          </div>
        </fieldset>
        <fieldset>
          <legend>Let something happen</legend>
          <div class="actions">
            <button type="button" class="quiet" onClick={() => act('pass')}>
              20 minutes later
            </button>
            <button type="button" class="quiet" onClick={() => act('rotate')}>
              Rotate the keys
            </button>
            <button type="button" class="quiet" onClick={() => act('remove')}>
              Remove the former keys
            </button>
          </div>
        </fieldset>
      </div>
      {current !== undefined && (
        <p aria-live="polite">
          {STATES[current.state]}
          {current.state === 'up' &&
            ` It publishes ${current.keys.length === 1 ? 'one key' : `${current.keys.length} keys`}.`}
          {current.timePassed > 0 &&
            ` ${current.timePassed / 60} minutes were skipped, so other programs take new tokens for tokens of the future.`}
        </p>
      )}
      <div class="columns">
        {['bearergate', state.rival].map((name, index) => (
          <figure key={name}>
            <figcaption>
              <strong>{name}</strong>
              <span>
                <b data-good={name}>{shareOf(seconds, index)}</b> of good tokens accepted ·{' '}
                {keyRequests(report?.keyRequests[index] ?? 0)}
              </span>
            </figcaption>
            <Chart seconds={seconds} index={index} label={`Answers of ${name} per second, by status`} />
          </figure>
        ))}
      </div>
      <p class="rfc">
        After each failed request for keys, bearergate waits longer before the next one, up to 48 seconds. It
        uses its last keys for an hour.
      </p>
    </Section>
  )
}

function keyRequests(count: number): string {
  return count === 1 ? '1 key request' : `${count} key requests`
}

function shareOf(seconds: readonly Live[], index: number): string {
  const recent = seconds.slice(-RECENT).flatMap(({ good }) => good[index] ?? [])
  const ended = recent.reduce((sum, good) => sum + good.ended, 0)
  const accepted = recent.reduce((sum, good) => sum + good.accepted, 0)
  return ended === 0 ? '–' : `${Math.round((100 * accepted) / ended)} %`
}
