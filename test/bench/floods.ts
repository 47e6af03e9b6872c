/** What the issuer is asked under cold load and forged key ids, and what 90 % garbage leaves of good requests. */

import type { Authority } from './authority.ts'
import { measure, warmUp } from './load.ts'
import type { Plan } from './requests.ts'
import { startServer } from './servers.ts'

export interface Floods {
  /** Fetches of keys for so many cold requests at once, and for so many forged key ids one after the other. */
  readonly cold: { readonly requests: number; readonly fetches: number }
  readonly forged: { readonly requests: number; readonly fetches: number; readonly seconds: number }
  /** Answers per second, in each round: to good requests alone, and where nine of ten are garbage. */
  readonly garbage: readonly { readonly good: number; readonly mixed: number; readonly refused: number }[]
}

const COLD = 10_000
const FORGED = 10_000

export async function floods(
  authority: Authority,
  { rounds, seconds, isQuick }: Plan,
  progress: (text: string) => void,
): Promise<Floods> {
  const { createGate } = await import('@bearergate/core')
  const { issuer, audience } = authority.setup
  const ask = (gate: ReturnType<typeof createGate>, token: string) =>
    gate.authenticate({ header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) })
  const fetched = async (run: () => Promise<unknown>) => {
    const before = authority.fetches.keys
    await run()
    return authority.fetches.keys - before
  }

  progress('key fetches')
  const good = await authority.mint('RS256')
  const coldGate = createGate({ issuer, audience })
  const cold = await fetched(() => Promise.all(Array.from({ length: COLD }, () => ask(coldGate, good))))
  const forgedTokens: string[] = []
  while (forgedTokens.length < (isQuick ? 1_000 : FORGED))
    forgedTokens.push(
      ...(await Promise.all(
        Array.from({ length: 100 }, (_, index) => authority.forge(`forged-${forgedTokens.length + index}`)),
      )),
    )
  const began = performance.now()
  const forged = await fetched(async () => {
    for (const token of forgedTokens) await ask(coldGate, token)
  })
  const took = (performance.now() - began) / 1000
  const garbage: Floods['garbage'][number][] = []
  for (let round = 0; round < Math.max(3, rounds); round += 1) {
    progress(`garbage, round ${round + 1}`)
    garbage.push(await besideGarbage(authority, good, seconds))
  }
  return {
    cold: { requests: COLD, fetches: cold },
    forged: { requests: forgedTokens.length, fetches: forged, seconds: took },
    garbage,
  }
}

/** Garbage of every kind that costs something: no token at all, a JWT of nobody's, another issuer's, a forged signature. */
async function besideGarbage(authority: Authority, good: string, seconds: number) {
  const forged = await Promise.all(
    Array.from({ length: 3 }, (_, index) => authority.forge(`nobody-${index}`)),
  )
  const bad = [
    'garbage',
    'a'.repeat(700),
    `${good.slice(0, -8)}AAAAAAAA`,
    await authority.mint('RS256', { iss: 'https://nobody.example.com' }),
    await authority.mint('RS256', { exp: 1 }),
    `${good}.${good}`,
    ...forged,
  ]
  const server = await startServer('bearergate-express', authority.setup)
  // Both before either is measured, so that the compiler is done with the code of the denials as well.
  await warmUp(server.origin, [good], 10_000)
  await warmUp(server.origin, [good, ...bad], 10_000)
  const alone = await measure(server.origin, [good], seconds)
  const mixed = await measure(server.origin, [good, ...bad], seconds, 'any')
  server.stop()
  return { good: alone.rate, mixed: mixed.rate, refused: mixed.refused }
}
