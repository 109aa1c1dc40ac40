/** What `npm start` runs first: is this a machine it can run on, is dist/ up to date. */
import { existsSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')
const [major, minor] = process.versions.node.split('.').map(Number)

const refusal =
  process.platform !== 'linux' || process.arch !== 'x64'
    ? `The embedded stack runs on Linux x64, this is ${process.platform} ${process.arch}.
  Use a Linux machine, or a virtual one (WSL 2 on Windows, Lima or OrbStack on a Mac), or a cluster: see docs/kubernetes.md.`
    : major < 20 || (major === 20 && minor < 19)
      ? `Node 20.19 or newer is needed, this is ${process.versions.node}.`
      : !existsSync(path.join(ROOT, 'node_modules/esbuild'))
        ? 'The packages are not installed. Run: npm ci'
        : undefined

if (refusal !== undefined) {
  process.stderr.write(`\n  Dormouse cannot start.\n  ${refusal}\n\n`)
  process.exit(1)
}

const { buildAll } = await import('../build/build.mjs')
const say = (text) => process.stderr.write(`  ${text}\n`)
const tookMs = await buildAll({ onStale: () => say('building …') })
if (tookMs !== undefined) say(`✔ built (${(tookMs / 1000).toFixed(1)} s)`)
await import('../../dist/local.js')
