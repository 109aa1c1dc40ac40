/**
 * Computes share this machine's network, and neither Temporal nor SeaweedFS' inner ports ask who is there.
 * So these servers run in a network of their own, and only the named ports are let in, to processes
 * that are in no sandbox:
 *
 *   client → 127.0.0.1:port → outside.ts (who is asking?) → the socket itself, handed over → inside.ts → server
 */
import path from 'node:path'
import type { ProcessSpec } from '../processes.ts'

export interface Box {
  readonly bwrap: string
  /** Holds box-outside.js and box-inside.js. */
  readonly distDir: string
}

/** What outside.ts and inside.ts read as their one argument. */
export interface BoxSpec {
  readonly bwrap: string
  readonly inside: string
  readonly doors: readonly number[]
  /** Seen in there although they are below /tmp, which is the box's own. */
  readonly keep: readonly string[]
  readonly command: string
  readonly args: readonly string[]
}

export const boxed = (box: Box, doors: readonly number[], spec: ProcessSpec): ProcessSpec => {
  const inside = path.join(box.distDir, 'box-inside.js')
  const boxSpec: BoxSpec = {
    bwrap: box.bwrap,
    inside,
    doors,
    keep: [spec.cwd ?? '/', inside, spec.command, process.execPath].filter((file) =>
      file.startsWith('/tmp/'),
    ),
    command: spec.command,
    args: spec.args,
  }
  return {
    ...spec,
    command: process.execPath,
    args: [path.join(box.distDir, 'box-outside.js'), JSON.stringify(boxSpec)],
  }
}
