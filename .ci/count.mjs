/** Sums what .ci/run left in a folder; a suite without tests, a skipped test and a lost report are failures. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const [results] = process.argv.slice(2)
const total = { passed: 0, failed: 0 }
const rows = []

const add = (name, passed, failed, note = '') => {
  total.passed += passed
  total.failed += failed
  rows.push(
    `  ${name.padEnd(20)} ${String(passed).padStart(5)} passed ${String(failed).padStart(4)} failed ${note}`,
  )
}

for (const entry of readdirSync(results).sort()) {
  const file = path.join(results, entry)
  if (entry.startsWith('step-')) {
    const passed = readFileSync(file, 'utf8').trim() === 'passed'
    add(entry.slice(5), passed ? 1 : 0, passed ? 0 : 1)
  } else {
    countSuite(entry.slice(6), file)
  }
}

function countSuite(name, dir) {
  const reports = readdirSync(dir)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(path.join(dir, file), 'utf8')))
  const sum = (key) => reports.reduce((so, report) => so + (report[key] ?? 0), 0)
  const passed = sum('numPassedTests')
  const skipped = sum('numPendingTests') + sum('numTodoTests')
  let failed = sum('numFailedTests') + skipped
  const notes = skipped > 0 ? [`${skipped} of them skipped`] : []
  for (const report of reports)
    for (const { name: file, status, assertionResults, message } of report.testResults ?? [])
      for (const test of assertionResults.length > 0
        ? assertionResults
        : [{ status, fullName: message }])
        if (test.status !== 'passed')
          notes.push(
            `\n      ${test.status}: ${path.relative(process.cwd(), file)}: ${test.fullName}`,
          )
  const ended = existsSync(path.join(dir, 'exit'))
  if (failed === 0 && (ended || reports.length === 0 || passed === 0)) {
    failed = 1
    notes.push(passed === 0 ? 'no test ran' : 'the run itself failed')
  }
  add(name, passed, failed, notes.join(' '))
}

console.log(rows.join('\n'))
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
