import { spawn } from 'node:child_process'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'

export const BIN = path.resolve(import.meta.dirname, '../bin.mjs')

/** The built command in an environment: run it with arguments and standard input, and hear all it says. */
export const commandIn =
  (env: NodeJS.ProcessEnv) =>
  async (args: readonly string[], input: string | Buffer = '') => {
    const child = spawn(process.execPath, [BIN, ...args], { env })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const code = new Promise<number | null>((resolve) => child.once('close', resolve))
    const [out, err] = await Promise.all([buffer(child.stdout), buffer(child.stderr)])
    return { out: out.toString('utf8'), err: err.toString('utf8'), code: await code }
  }
