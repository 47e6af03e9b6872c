/** Connects the buttons of the page to the client, and lists each attempt. */

import { createClient } from './client.js'

const { api } = await (await fetch('/config')).json()
const attempts = document.querySelector('ol')
const output = document.querySelector('output')
const client = createClient(getToken, ({ status, error, wait }) => {
  const item = document.createElement('li')
  item.textContent = [status, error, wait && `again in ${wait.toFixed(1)} s`].filter(Boolean).join(' ')
  attempts.append(item)
})

async function getToken() {
  const response = await fetch('/token', { method: 'POST' })
  const { token, error_description: problem } = await response.json()
  if (token === undefined) throw new Error(problem)
  return token
}

async function send(method) {
  attempts.replaceChildren()
  output.textContent = 'Waiting for the answer'
  try {
    const response = await client.request(`${api}/api/messages`, { method })
    const body = await response.json()
    output.textContent = response.ok ? JSON.stringify(body) : body.error_description
  } catch (cause) {
    output.textContent = cause.message
  }
}

document.querySelector('#read').addEventListener('click', () => send('GET'))
document.querySelector('#delete').addEventListener('click', () => send('DELETE'))
document.querySelector('#break').addEventListener('click', () => client.setToken('not-a-token'))
