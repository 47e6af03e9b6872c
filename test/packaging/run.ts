/** Other programs, run to their end. */

import { execFile } from 'node:child_process'

/**
 * What the program wrote to its standard output.
 * @throws Error with all that it wrote, where it failed
 */
export function run(file: string, args: readonly string[], cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, maxBuffer: 2 ** 24 }, (failure, stdout, stderr) => {
      if (failure === null) resolve(stdout)
      else reject(new Error(`${file} ${args.join(' ')} failed:\n${stdout}${stderr}`))
    })
  })
}
