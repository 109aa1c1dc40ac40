import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { Failure } from '../errors.ts'
import { Fanout } from '../fanout.ts'
import { COMMAND_RING_BYTES, type CommandInfo } from '../protocol.ts'
import { signalGroup } from '../signals.ts'
import type { CommandSpec } from './request.ts'

const STDIN_BYTES = 1024 * 1024
const KILL_AFTER_MS = 2000
/** A grandchild may hold the pipes open for ever: wait for silence, and not for long. */
const LINGER_MS = 200
const LINGER_TIMES = 10

export interface CommandExit {
  readonly exitCode: number | null
  readonly signal: string | null
  readonly timedOut: boolean
  readonly durationMs: number
}

/** One process group with its output in rings. */
export class Command {
  readonly id: string
  readonly spec: CommandSpec
  readonly pid: number
  readonly stdout: Fanout
  readonly stderr: Fanout
  /** Resolves when the process ended and its output is in. */
  readonly done: Promise<CommandExit>
  readonly #child: ChildProcess
  readonly #startedAt = new Date().toISOString()
  readonly #startedMs = performance.now()
  #timedOut = false
  #exit: CommandExit | undefined

  private constructor(id: string, spec: CommandSpec, child: ChildProcess) {
    this.id = id
    this.spec = spec
    this.pid = child.pid!
    this.#child = child
    this.stdout = ringOf(child.stdout!)
    this.stderr = ringOf(child.stderr!)
    child.stdin!.on('error', () => {}) // it closed its input; that is its right
    if (spec.stdin !== undefined) child.stdin!.end(spec.stdin)
    else if (!spec.stdinOpen) child.stdin!.end()
    const timer =
      spec.timeoutMs > 0 ? setTimeout(() => this.#timeOut(), spec.timeoutMs).unref() : undefined
    this.done = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => {
        clearTimeout(timer)
        const durationMs = Math.round(performance.now() - this.#startedMs)
        const exit = { exitCode, signal, timedOut: this.#timedOut, durationMs }
        this.#whenSilent(() => {
          this.#exit = exit
          this.stdout.finish()
          this.stderr.finish()
          resolve(exit)
        })
      })
    })
  }

  /** Errors: invalid (no such program), no_space (no further process). */
  static async start(
    id: string,
    spec: CommandSpec,
    env: Readonly<Record<string, string>>,
  ): Promise<Command> {
    const [file, ...args] = spec.argv
    const child = spawn(file, args, {
      cwd: spec.cwd,
      env: { ...env, ...spec.env },
      detached: true, // its own process group, so that a signal reaches its children too
      stdio: 'pipe',
    })
    const command = child.pid === undefined ? undefined : new Command(id, spec, child)
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', (error) => reject(startFailure(error, file)))
    })
    child.on('error', () => {})
    return command!
  }

  get exit(): CommandExit | undefined {
    return this.#exit
  }

  /** All of it or nothing, so that it can be sent again. Errors: input_full, wrong_state. */
  write(bytes: Buffer, eof: boolean): void {
    const stdin = this.#child.stdin!
    if (!this.spec.stdinOpen || stdin.writableEnded || stdin.destroyed)
      throw new Failure('wrong_state', 'The standard input is closed; start with stdinOpen: true.')
    if (stdin.writableLength + bytes.length > STDIN_BYTES)
      throw new Failure('input_full', 'The command does not read its input; try again later.')
    if (bytes.length > 0) stdin.write(bytes)
    if (eof) stdin.end()
  }

  signal(signal: NodeJS.Signals): void {
    signalGroup(this.pid, signal)
  }

  /** SIGTERM to the group, SIGKILL to what is left of it after 2 s. */
  stop(): void {
    this.signal('SIGTERM')
    setTimeout(() => this.signal('SIGKILL'), KILL_AFTER_MS).unref()
  }

  info(): CommandInfo {
    const { id, pid, spec } = this
    const base = {
      id,
      pid,
      command: spec.shown,
      background: spec.background,
      startedAt: this.#startedAt,
    }
    if (!this.#exit) return base
    const { exitCode, signal, timedOut } = this.#exit
    return { ...base, exit: { exitCode, signal, timedOut } }
  }

  #timeOut(): void {
    this.#timedOut = true
    this.stop()
  }

  #whenSilent(then: () => void): void {
    let closed = false
    this.#child.once('close', () => {
      if (!closed) then()
      closed = true
    })
    let [seen, times] = [-1, 0]
    const look = () => {
      if (closed) return
      const now = this.stdout.end + this.stderr.end
      const paused = this.stdout.paused || this.stderr.paused
      if (!paused) times += 1
      if (paused || (now !== seen && times < LINGER_TIMES)) {
        seen = now
        setTimeout(look, LINGER_MS)
        return
      }
      closed = true
      for (const pipe of [this.#child.stdout!, this.#child.stderr!])
        pipe.removeAllListeners('data').resume() // the grandchild must not die of a closed pipe
      then()
    }
    look()
  }
}

const ringOf = (pipe: Readable): Fanout => {
  const ring = new Fanout(COMMAND_RING_BYTES, {
    pause: () => void pipe.pause(),
    resume: () => void pipe.resume(),
  })
  pipe.on('data', (bytes: Buffer) => ring.append(bytes))
  pipe.on('error', () => {})
  return ring
}

const startFailure = (error: NodeJS.ErrnoException, file: string): Failure => {
  if (error.code === 'ENOENT')
    return new Failure('invalid', `There is no program "${file}" in the compute.`)
  if (error.code === 'EACCES') return new Failure('invalid', `"${file}" is not executable.`)
  if (error.code === 'E2BIG') return new Failure('invalid', 'The command line is too long.')
  return new Failure('no_space', 'The compute cannot start another process; end some first.')
}
