/** A process that polls for security events. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { send, startTransmitter } from '../support/transmitter.ts'

const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
const flags = [...source, '--import', 'tsx']

it('exits by itself while run waits after a failure', async () => {
  const transmitter = await startTransmitter()
  transmitter.reply = (_, response) => send(response, '', 500)
  const child = fileURLToPath(new URL('poll.child.ts', import.meta.url))
  const running = promisify(execFile)(process.execPath, [...flags, child, transmitter.endpoint])
  onTestFinished(() => {
    running.child.kill()
    return transmitter.close()
  })
  expect((await running).stdout).toBe(`UnavailableError: ${transmitter.endpoint} answered 500\n`)
  expect(transmitter.polls).toHaveLength(1)
})
