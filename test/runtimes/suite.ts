/** The tests themselves on the runtime that this is run on, by Vitest's own runner. */

import { type File, startTests, type Task } from '@vitest/runner'

export interface Report {
  readonly passed: number
  /** Titles of what failed, and why. */
  readonly failed: readonly string[]
}

/** Each file of tests, as what imports it. */
export type Tests = Readonly<Record<string, () => Promise<unknown>>>

/** @param without parts of the titles of tests that are left out */
export async function run(tests: Tests, without: readonly string[]): Promise<Report> {
  const files = await startTests(Object.keys(tests), {
    config: {
      root: '',
      setupFiles: [],
      name: undefined,
      passWithNoTests: false,
      testNamePattern: undefined,
      allowOnly: false,
      sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
      chaiConfig: undefined,
      maxConcurrency: 5,
      testTimeout: 120_000,
      hookTimeout: 60_000,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    },
    importFile: (path) => tests[path]?.(),
    onBeforeRunTask(test) {
      if (without.some((part) => test.fullName.includes(part))) test.mode = 'skip'
    },
  })
  const tasks = files.flatMap(below)
  const failed = tasks.filter(({ result }) => result?.state === 'fail').map(told)
  return {
    passed: tasks.filter(({ type, result }) => type === 'test' && result?.state === 'pass').length,
    failed,
  }
}

function below(task: Task | File): readonly Task[] {
  return [task, ...('tasks' in task ? task.tasks.flatMap(below) : [])]
}

function told(task: Task): string {
  return `${task.file.name} ${task.name}: ${(task.result?.errors ?? []).map(({ message }) => message).join('; ')}`
}
