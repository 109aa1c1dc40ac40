/** The node's containerd: which images it has, and giving it one. */
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'
import { programsDir } from './binaries.ts'
import { placesOf } from './places.ts'

/** Of the kubelet's namespace, through the `ctr` that was built with it. */
export const ctr = (args: readonly string[], socket = placesOf().socket): Promise<string> =>
  runTool(path.join(programsDir(), 'ctr'), ['--address', socket, '--namespace', 'k8s.io', ...args])

/** References of every image of the node. */
export const nodeImages = async (): Promise<ReadonlySet<string>> =>
  new Set((await ctr(['images', 'list', '--quiet'])).split('\n').filter(Boolean))

export const importImage = async (archive: string): Promise<void> => {
  await ctr(['images', 'import', archive])
}

/** Lets `alias` name what `reference` does. */
export const tagImage = async (reference: string, alias: string): Promise<void> => {
  await ctr(['images', 'tag', '--force', reference, alias])
}

/** Takes the name away; layers that no other name keeps go, too. */
export const removeImage = async (reference: string): Promise<void> => {
  await ctr(['images', 'remove', reference])
}
