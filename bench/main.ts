/** npm run bench [-- --json] [--quick] [--only create,terminal,…] [--runtime kubernetes]: each figure beside its floor, measured in this run. */
import { parseArgs } from 'node:util'
import startServers from '../test/support/servers.ts'
import { clusterSite } from '../test/support/cluster-site.ts'
import { startStack } from '../test/support/stack.ts'
import { visit } from '../test/support/visitor.ts'
import type { Measure } from './bench.ts'
import { printTable, type Figure } from './figure.ts'
import { api } from './measures/api.ts'
import { archive } from './measures/archive.ts'
import { create } from './measures/create.ts'
import { lifecycles } from './measures/lifecycles.ts'
import { memory } from './measures/memory.ts'
import { pods } from './measures/pods.ts'
import { ports } from './measures/ports.ts'
import { terminal } from './measures/terminal.ts'

const ON: Readonly<Record<string, Readonly<Record<string, Measure>>>> = {
  local: { create, terminal, ports, archive, lifecycles, api, memory },
  kubernetes: { pods, terminal, ports, lifecycles, api },
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    runtime: { type: 'string', default: 'local' },
  },
})
const MEASURES = ON[values.runtime]
if (MEASURES === undefined) {
  console.error(`no such runtime: ${values.runtime}; there are ${Object.keys(ON).join(', ')}`)
  process.exit(2)
}

const chosen = values.only?.split(',') ?? Object.keys(MEASURES)
const unknown = chosen.filter((name) => !Object.hasOwn(MEASURES, name))
if (unknown.length > 0) {
  console.error(
    `no such measure: ${unknown.join(', ')}; there are ${Object.keys(MEASURES).join(', ')}`,
  )
  process.exit(2)
}
const stopServers = await startServers()
const stack = await startStack(values.runtime === 'kubernetes' ? { site: clusterSite } : {})
const figures: Figure[] = []
try {
  const visitor = await visit(stack)
  for (const name of chosen) {
    console.error(`measuring ${name} …`)
    try {
      const found = await MEASURES[name]!({ stack, visitor, quick: values.quick })
      figures.push(...found)
      if (values.json) for (const one of found) console.log(JSON.stringify(one))
    } catch (error) {
      console.error(`${name} could not be measured:`, error)
      process.exitCode = 1
    }
  }
} finally {
  await stack.stop()
  await stopServers()
}
if (!values.json) printTable(figures)
