/**
 * Proves that the tests do not depend on how fast the machine is. Runs all of them three times while four busy loops
 * occupy the cores, and once while every process of the run is stopped (SIGSTOP) for 100 to 800 ms at random moments.
 *
 *     node test/support/stability.mjs [--rounds 3] [--seed 7] [projects or files]
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const RUN = fileURLToPath(new URL('../run.mjs', import.meta.url))
const BUSY_LOOPS = 4
/** In milliseconds. */
const PAUSE = { min: 100, max: 800 }
const BETWEEN_PAUSES = { min: 500, max: 3000 }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})
const selection = positionals.length > 0 ? positionals : ['all']
let state = Number(values.seed) >>> 0

/** The next number of a linear congruential generator: enough for moments that a seed repeats. */
function random({ min, max }) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return min + (state / 2 ** 32) * (max - min)
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Starts the run in a process group of its own, so that it can be stopped as a whole. */
function startRun() {
  return spawn(process.execPath, [RUN, ...selection, '--reporter=dot'], { stdio: 'inherit', detached: true })
}

async function report(name, run) {
  const began = performance.now()
  const [code] = await once(run, 'exit')
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${name}: ${code === 0 ? 'passed' : `FAILED with ${code}`} in ${seconds} s`)
  if (code !== 0) process.exitCode = 1
}

async function underLoad(name) {
  const loops = Array.from({ length: BUSY_LOOPS }, () => spawn(process.execPath, ['-e', 'for (;;);']))
  try {
    await report(name, startRun())
  } finally {
    for (const loop of loops) loop.kill('SIGKILL')
  }
}

async function withPauses(name) {
  const run = startRun()
  let pauses = 0
  const reported = report(name, run)
  while (run.exitCode === null && run.signalCode === null) {
    await wait(random(BETWEEN_PAUSES))
    if (run.exitCode !== null || run.signalCode !== null) break
    process.kill(-run.pid, 'SIGSTOP')
    await wait(random(PAUSE))
    process.kill(-run.pid, 'SIGCONT')
    pauses += 1
  }
  await reported
  console.log(`stopped ${pauses} times, seed ${values.seed}`)
}

for (let round = 1; round <= Number(values.rounds); round += 1)
  await underLoad(`round ${round} of ${values.rounds} beside ${BUSY_LOOPS} busy loops`)
await withPauses('with random pauses')
