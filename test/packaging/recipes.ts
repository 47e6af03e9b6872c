/** The recipes of `packages/core/docs/recipes`: their code, compiled in a project that installed the packages, and run. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run } from './run.ts'
import { filesBelow, ROOT } from './sources.ts'

const PAGES = join(ROOT, 'packages/core/docs/recipes')

/** The names of the pages, as `nestjs`. */
export const RECIPES = filesBelow(PAGES).map((path) => path.replace(/\.md$/, ''))

/** The files of a recipe: its code blocks, by the name in the comment at the top of each. */
export function filesOf(recipe: string): ReadonlyMap<string, string> {
  const blocks = readFileSync(join(PAGES, `${recipe}.md`), 'utf8').matchAll(/^```(?:ts|yaml)\n(.*?)^```/gms)
  return new Map(
    [...blocks].map(([, code = '']) => {
      const [, name] = /^(?:\/\/|#) ([\w.-]+)\n/.exec(code) ?? []
      if (name === undefined) throw new Error(`A code block of recipes/${recipe}.md does not name its file`)
      return [name, code]
    }),
  )
}

/**
 * Writes every recipe to a folder of the project and compiles them there. The code stays as it is, except what `replaced` names.
 * @param variants what else is replaced in a second copy of a recipe, whose folder is called `<recipe>-variant`
 * @throws Error with the messages of the compiler, if there are any
 */
export async function compileRecipes(
  project: string,
  replaced: Readonly<Record<string, string>>,
  variants: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): Promise<void> {
  async function write(recipe: string, folder: string, changes: typeof replaced): Promise<void> {
    for (const parent of [folder, `out/${folder}`]) await mkdir(join(project, parent), { recursive: true })
    for (const [name, code] of filesOf(recipe)) {
      const text = Object.entries(changes).reduce((all, [from, to]) => all.replaceAll(from, to), code)
      await writeFile(join(project, name.endsWith('.yaml') ? 'out' : '', folder, name), text)
    }
  }
  for (const recipe of RECIPES) await write(recipe, recipe, replaced)
  for (const [recipe, changes] of Object.entries(variants)) {
    const code = [...filesOf(recipe).values()].join('')
    const unused = Object.keys(changes).filter((from) => !code.includes(from))
    if (unused.length > 0) throw new Error(`recipes/${recipe}.md does not contain ${unused.join(', ')}`)
    await write(recipe, `${recipe}-variant`, { ...replaced, ...changes })
  }
  const compilerOptions = {
    ...{ module: 'nodenext', target: 'ES2022', lib: ['ES2023'], types: ['node'], strict: true },
    // Types of frameworks are not ours to check. Decorators are those of NestJS.
    ...{ skipLibCheck: true, experimentalDecorators: true, emitDecoratorMetadata: true },
    ...{ rootDir: '.', outDir: 'out' },
  }
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }))
  const folders = [...RECIPES, ...Object.keys(variants).map((recipe) => `${recipe}-variant`)]
  const include = folders.map((folder) => `${folder}/*.ts`)
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }))
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project])
}

export interface RunningRecipe {
  readonly origin: string
  /** The lines of the standard error so far. */
  readonly errors: readonly string[]
  readonly process: ChildProcess
  /** Ends the process. */
  stop(): Promise<void>
}

export interface Start {
  /** The file of the recipe that is loaded. */
  readonly file: string
  /** A statement that starts what `recipe`, the module, exports, and sets `port`. */
  readonly code: string
  readonly env?: Readonly<Record<string, string>>
}

/** The code that starts a server of Node, or an expression for one. */
export function listenOn(server: string): string {
  return `const listening = ${server}.listen(0, '127.0.0.1')
    await once(listening, 'listening')
    port = listening.address().port`
}

/** Starts a compiled recipe in a process of its own, on loopback. */
export async function startRecipe(
  project: string,
  recipe: string,
  { file, code, env = {} }: Start,
): Promise<RunningRecipe> {
  const folder = join(project, 'out', recipe)
  await writeFile(
    join(folder, 'start.mjs'),
    `import { once } from 'node:events'
    import { createServer } from 'node:http'
    import dns from 'node:dns'
    // The name of a container, which only Docker resolves.
    const { lookup } = dns
    dns.lookup = (host, ...rest) => lookup(host === 'keycloak' ? '127.0.0.1' : host, ...rest)
    const recipe = await import('./${file.replace(/\.ts$/, '.js')}')
    let port
    ${code}
    console.log('port ' + port)`,
  )
  const child = spawn(process.execPath, [join(folder, 'start.mjs')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', ...env },
  })
  const errors: string[] = []
  createInterface(child.stderr).on('line', (line) => errors.push(line))
  const ended = once(child, 'close')
  const port = new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      if (line.startsWith('port ')) resolve(line.slice(5))
    })
    ended.then(() => reject(new Error(`recipes/${recipe}.md ended:\n${errors.join('\n')}`)), reject)
  })
  return {
    origin: `http://127.0.0.1:${await port}`,
    errors,
    process: child,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
