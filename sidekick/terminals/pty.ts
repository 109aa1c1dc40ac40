import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as nodePty from 'node-pty'
import { Failure } from '../errors.ts'

export interface Size {
  readonly cols: number
  readonly rows: number
}
export interface Shell {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}
export interface Pty {
  readonly pid: number
  /** Undefined once closed. */
  fd(): number | undefined
  pause(): void
  resume(): void
  resize(size: Size): void
  onData(listener: (bytes: Buffer) => void): void
  onExit(listener: (exit: { exitCode: number; signal: number | null }) => void): void
}

/** Starts a shell on a new PTY. Errors: no_space when the compute can hold no further process. */
export const startPty = (shell: Shell, size: Size): Pty => {
  const pty = spawn(shell, size)
  // node-pty's types leave these out; both have been there since its first release.
  const inner = pty as unknown as { readonly fd: number; readonly _socket: { destroyed: boolean } }
  return {
    pid: pty.pid,
    fd: () => (inner._socket.destroyed ? undefined : inner.fd),
    pause: () => pty.pause(),
    resume: () => pty.resume(),
    resize: ({ cols, rows }) => {
      if (!inner._socket.destroyed) pty.resize(cols, rows)
    },
    onData: (listener) => pty.onData((data) => listener(data as unknown as Buffer)),
    onExit: (listener) =>
      pty.onExit(({ exitCode, signal }) => listener({ exitCode, signal: signal || null })),
  }
}

/** The process group the terminal's keys go to now: field 8 of /proc/<pid>/stat. */
export const foregroundGroup = (shellPid: number): number => {
  try {
    const stat = readFileSync(`/proc/${shellPid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[5])
  } catch {
    return shellPid
  }
}

const spawn = (shell: Shell, size: Size): nodePty.IPty => {
  const { spawn: start } = loadNodePty()
  try {
    return start(shell.file, [...shell.args], {
      name: shell.env['TERM'] ?? 'xterm-256color',
      ...size,
      cwd: shell.cwd,
      env: { ...shell.env },
      encoding: null,
    })
  } catch {
    throw new Failure('no_space', 'The compute cannot start another process; end some first.')
  }
}

/** On first use: hello must not wait for a native module. */
const loadNodePty = (): typeof nodePty =>
  (loaded ??= createRequire(import.meta.url)('node-pty') as typeof nodePty)
let loaded: typeof nodePty | undefined
