/** What must compile against the source does, and what must not does not (`test/types/`). */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from './run.ts'
import { ROOT } from './sources.ts'

it('the types reject wrong configurations, and pass the type of the identity to every handler', async () => {
  expect(await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'test/types')])).toBe('')
}, 600_000)

/** Returns what TypeScript says about a file in a folder of its own, which is removed afterwards. */
async function messagesOf(code: string): Promise<string> {
  const folder = await mkdtemp(join(ROOT, 'node_modules/.types-'))
  try {
    const options = { noEmit: true, composite: false }
    const config = { extends: '../../tsconfig.base.json', compilerOptions: options, include: ['*.ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    await writeFile(join(folder, 'app.ts'), code)
    return await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).catch(String)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

it.each(['createGate', 'bearer', 'jwt'])(
  'the message about a missing audience in %s names the audience, and no other option to set',
  async (name) => {
    const code = `
      import { createGate, jwt } from '@bearergate/core'
      import { bearer } from '@bearergate/express'
      export const all = { createGate, bearer, jwt }
      ${name}({ issuer: 'https://id.example.com' })`
    const [missing = ''] = /Property '\w+' is missing .*/.exec(await messagesOf(code)) ?? []
    expect(missing).toMatch(/'audience'|ResourceInsteadOfAudience/)
    expect(missing).not.toContain('secret')
  },
  600_000,
)
