import { spawn } from 'node:child_process'

/**
 * Runs a program to its end and answers what it printed; an error carries the last lines of it.
 * `onLine` sees every line of both streams as it comes.
 */
export const runTool = (
  command: string,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string | undefined>>
    readonly cwd?: string
    readonly uid?: number
    readonly gid?: number
    readonly withinMs?: number
    readonly onLine?: (line: string) => void
  } = {},
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: (options.env ?? process.env) as NodeJS.ProcessEnv,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      ...(options.withinMs === undefined ? {} : { timeout: options.withinMs }),
    })
    let output = ''
    let pending = ''
    const take = (chunk: Buffer): void => {
      const text = chunk.toString()
      output = (output + text).slice(-100_000)
      const lines = (pending + text).split('\n')
      pending = lines.pop() ?? ''
      for (const line of lines) options.onLine?.(line)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(output)
      const how = signal === null ? `exit code ${code}` : signal
      reject(new Error(`${command} ${args[0] ?? ''} ended with ${how}: ${lastLines(output)}`))
    })
  })

const lastLines = (output: string): string => output.trim().split('\n').slice(-4).join(' | ')
