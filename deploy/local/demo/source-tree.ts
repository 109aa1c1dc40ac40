import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'

/** A real source tree of several thousand files that everybody who runs the demo has: packages installed here. */
const PACKAGES = [
  'react',
  'react-dom',
  'scheduler',
  'typescript',
  'kysely',
  '@temporalio/common',
  '@temporalio/workflow',
  '@aws-sdk',
  '@smithy',
]

export interface SourceTree {
  readonly files: number
  /** A tar with the packages at its top. */
  tar(): ReadableStream<Uint8Array>
}

export const sourceTree = async (root: string): Promise<SourceTree> => {
  const modules = path.join(root, 'node_modules')
  const packages = PACKAGES.filter((name) => existsSync(path.join(modules, name)))
  const counts = await Promise.all(packages.map((name) => countFiles(path.join(modules, name))))
  return {
    files: counts.reduce((sum, count) => sum + count, 0),
    tar: () => {
      const tar = spawn('tar', ['-C', modules, '-cf', '-', ...packages], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      tar.once('exit', (code) => code !== 0 && tar.stdout.destroy(new Error('tar failed')))
      return Readable.toWeb(tar.stdout) as ReadableStream<Uint8Array>
    },
  }
}

const countFiles = async (folder: string): Promise<number> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).length
}
