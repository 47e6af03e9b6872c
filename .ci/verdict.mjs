/** Reads what the test runs reported, fails if a test failed or was skipped, and closes with the count. */

import { existsSync, readFileSync } from 'node:fs'

const vectors = process.env.BEARERGATE_VECTORS ?? new URL('../../shared/vectors', import.meta.url)
const mayBeAbsent = existsSync(vectors) ? [] : ['/test/vectors/']

const count = { passed: 0, failed: 0, skipped: 0 }
for (const file of process.argv.slice(2)) {
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'))
  for (const { name, status, message, assertionResults } of testResults) {
    if (status === 'failed' && assertionResults.length === 0) {
      count.failed += 1
      console.error(`failed: ${name}: ${message}`)
    }
    for (const test of assertionResults) {
      const outcome = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped'
      if (outcome === 'skipped' && mayBeAbsent.some((part) => name.includes(part))) continue
      count[outcome] += 1
      if (outcome !== 'passed') console.error(`${outcome}: ${name}: ${test.fullName}`)
    }
  }
}
if (mayBeAbsent.length > 0)
  console.warn(`No test vectors: tests in ${mayBeAbsent} that were skipped are not counted.`)
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed + count.skipped > 0 || count.passed === 0 ? 1 : 0
