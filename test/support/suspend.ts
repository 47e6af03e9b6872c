/** Processes that stand still, as those of a suspended machine or a frozen function do. */

import { type ChildProcess, execFileSync } from 'node:child_process'

/** Stops a process by SIGSTOP, and waits until it stands still. `SIGCONT` lets it continue. */
export async function suspend(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP')
  while (!isStopped(child)) await new Promise((go) => setTimeout(go, 5))
}

function isStopped({ pid }: ChildProcess): boolean {
  return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T')
}
