/** Fails unless a release tag, such as v1.2.3, names the version of every package and no changeset is left. */

import { readdirSync, readFileSync } from 'node:fs'

const [tag] = process.argv.slice(2)
const root = new URL('../', import.meta.url)

for (const folder of readdirSync(new URL('packages/', root))) {
  const { name, version } = JSON.parse(readFileSync(new URL(`packages/${folder}/package.json`, root), 'utf8'))
  if (tag !== `v${version}`) throw new Error(`The tag is ${tag}, but the version of ${name} is ${version}`)
}

const left = readdirSync(new URL('.changeset/', root)).filter(
  (file) => file.endsWith('.md') && file !== 'README.md',
)
if (left.length > 0) throw new Error(`Run "npx changeset version" first. Changesets left: ${left.join(', ')}`)
