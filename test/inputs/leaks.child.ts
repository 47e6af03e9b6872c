/**
 * BI19: takes a heap snapshot of a process whose gates have seen a canary in every way, and looks for it there.
 * Needs `--expose-gc`. Prints as JSON what was found.
 */

import { randomBytes } from 'node:crypto'
import { getHeapSnapshot } from 'node:v8'
import { createGate, type Gate, opaque } from '@bearergate/core'
import { FAILURES, secretsIn } from './failures.ts'

/** What is looked for, as bytes: these stand outside the heap, so that they do not find themselves. */
const wanted: { name: string; bytes: Buffer }[] = []
/** What must stay alive: the gates, and strings that must be found, else the search is blind. */
const alive: { gates: Gate[]; planted: unknown[] } = { gates: [], planted: [] }

/** Randomness that no source text and no other string holds. */
function newCanary(): string {
  return randomBytes(24).toString('base64url')
}

function plant(name: string, hold: (canary: string) => unknown): void {
  const bytes = Buffer.from(newCanary())
  alive.planted.push(hold(bytes.toString('latin1')))
  wanted.push({ name, bytes })
}

async function show(failure: (typeof FAILURES)[number]): Promise<void> {
  const gate = failure.gate()
  alive.gates.push(gate)
  const header = failure.header(newCanary())
  const request = failure.name === 'a good JWT' ? fetchRequest(header) : { header: () => header }
  await gate.authenticate(request)
  await gate.authenticate(request)
  for (const part of secretsIn(header)) wanted.push({ name: failure.name, bytes: Buffer.from(part) })
}

/** The call that is in flight for ever is the one thing that a cache has to remember by its token. */
function showPending(): void {
  const gate = pendingGate()
  const canary = newCanary()
  alive.gates.push(gate)
  alive.planted.push(gate.authenticate({ header: () => `Bearer ${canary}` }))
  wanted.push({ name: 'a lookup that never settles', bytes: Buffer.from(canary) })
}

/** By itself, so that the lookup does not share the scope of the canary. */
function pendingGate(): Gate {
  const lookup = () => new Promise<null>(() => {})
  return createGate({ verifier: opaque({ lookup, cache: { ttl: 60 } }) })
}

function fetchRequest(authorization: string): Request {
  return new Request('https://api.example.com', { headers: { authorization } })
}

for (const failure of FAILURES) await show(failure)
showPending()
plant('planted as a string', (canary) => ({ canary }))
plant('planted as a Map key', (canary) => new Map([[canary, 1]]))
plant('planted as a part of a longer string', (canary) => [`a token: ${canary}.`])

// V8 keeps the text of the last match for RegExp.input: any other match lets go of it.
;/x/.exec('x')
for (let round = 0; round < 3; round += 1) {
  await new Promise((resolve) => setTimeout(resolve, 20))
  globalThis.gc?.()
}

const chunks: Buffer[] = []
for await (const chunk of getHeapSnapshot()) chunks.push(Buffer.from(chunk))
const snapshot = Buffer.concat(chunks)
const found = wanted.filter(({ bytes }) => snapshot.includes(bytes)).map(({ name }) => name)
console.log(
  JSON.stringify({
    found: [...new Set(found)],
    looked: wanted.length,
    gates: alive.gates.length,
    hasGc: globalThis.gc !== undefined,
    size: snapshot.length,
  }),
)
