import { spawnSync } from 'node:child_process'
import type { Client } from '../../sdk/client.ts'
import { openTerminal, type TerminalStatus } from '../../sdk/terminal.ts'
import { verdictOn } from '../../sdk/verdict.ts'
import type { Compute } from '../../sdk/types.ts'
import { shown, styled } from '../output.ts'
import { escapeReader } from './escape.ts'
import { openTerminalSocket } from './socket.ts'

export type Ending =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'left' }
  | { readonly kind: 'hibernated' }
  | { readonly kind: 'closed'; readonly why: string }

/** Answers of this terminal to questions in old output: typed now they would be garbage. */
const TERMINAL_ANSWER = /^\u001b(\[[?>=]?[\d;]*[cRnty]|[\]P].*)/s
const ANSWERS_LAG_MS = 300

/** Joins this process's terminal to one in the compute, until the shell ends, the user leaves or it sleeps. */
export const attach = (client: Client, compute: Compute, terminalId: string): Promise<Ending> =>
  new Promise((resolve) => {
    const { stdin, stdout } = process
    const keys = escapeReader()
    let replayedAt = Infinity
    let dropped = false
    const terminal = openTerminal({
      terminalId,
      cols: stdout.columns ?? 80,
      rows: stdout.rows ?? 24,
      open: (query) => openTerminalSocket(client, compute.id, query),
      verdict: () => verdictOn(client, compute.id),
      onOutput: (bytes, done) => void stdout.write(bytes, () => done()),
      onStatus: (status) => onStatus(status),
      onReplayed: () => (replayedAt = Math.min(replayedAt, Date.now())),
      onTruncated: (from, to) => aside(`${to - from} bytes of output were lost`),
      onRestart: () => aside('this is a new shell; the one before is gone'),
      onNotice: aside,
    })

    const onStatus = (status: TerminalStatus): void => {
      if (status.state === 'open') {
        if (dropped) aside('connected again')
        dropped = false
      } else if (status.state === 'connecting') {
        if (status.attempt > 0 && !dropped)
          aside('connection lost; connecting again … (Enter ~ . leaves)')
        dropped = status.attempt > 0
      } else if (status.state === 'exited')
        finish({ kind: 'exited', exitCode: status.signal ? 128 + status.signal : status.exitCode })
      else if (status.state === 'hibernated') finish({ kind: 'hibernated' })
      else finish({ kind: 'closed', why: status.why })
    }
    const onData = (bytes: Buffer): void => {
      const replaying = Date.now() < replayedAt + ANSWERS_LAG_MS
      if (replaying && TERMINAL_ANSWER.test(bytes.toString('latin1'))) return
      for (const key of stdin.isTTY ? keys(bytes) : [{ kind: 'type', bytes } as const])
        if (key.kind === 'type') terminal.write(key.bytes)
        else if (key.kind === 'help')
          aside('Enter ~ .  leaves, the shell goes on    Enter ~ ~  types ~')
        else {
          return leave()
        }
    }
    const leave = () => {
      finish({ kind: 'left' })
      terminal.detach()
    }
    const onEnd = () => terminal.write('\u0004')
    const onResize = () => terminal.resize(stdout.columns ?? 80, stdout.rows ?? 24)

    let finished = false
    const finish = (ending: Ending): void => {
      if (finished) return
      finished = true
      stdin.off('data', onData).off('end', onEnd)
      stdout.off('resize', onResize)
      for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, leave)
      if (stdin.isTTY) stdin.setRawMode(false)
      stdin.pause()
      resolve(ending)
    }

    if (stdin.isTTY) makeRaw()
    stdin.on('data', onData).on('end', onEnd)
    stdin.resume()
    stdout.on('resize', onResize)
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, leave)
    terminal.connect()
  })

/**
 * Node's raw mode still turns every \n written into \r\n, which breaks programs that move the cursor
 * down by \n; what setRawMode(false) restores was noted before.
 */
const makeRaw = (): void => {
  process.stdin.setRawMode(true)
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })
}

/** A line of ours between the lines of the shell. */
const aside = (text: string): void =>
  void process.stderr.write(
    `\r\n${styled('dim', `[dormouse: ${shown(text)}]`, process.stderr)}\r\n`,
  )
