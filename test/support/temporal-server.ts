/** A Temporal server of the test's own, which it may kill, restart and rob of its data. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from '@temporalio/client'
import { freePort } from './stack.ts'

export interface TemporalServer {
  readonly address: string
  kill(): Promise<void>
  start(): Promise<void>
  /** Removes every byte it stored; only while it is not running. */
  loseEverything(): Promise<void>
  stop(): Promise<void>
}

const SEARCH_ATTRIBUTES = ['State', 'Owner', 'Group', 'Image', 'Runtime', 'Reason'].flatMap(
  (name) => ['--search-attribute', `Compute${name}=Keyword`],
)

export const startOwnTemporal = async (): Promise<TemporalServer> => {
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-temporal-'))
  const port = await freePort()
  const uiPort = await freePort()
  const address = `127.0.0.1:${port}`
  let child: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    const running = child
    child = undefined
    if (running === undefined) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
  }
  const start = async (): Promise<void> => {
    child = spawn(
      path.join(process.env['DORMOUSE_BIN'] ?? '', 'temporal'),
      [
        ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)],
        ...['--ui-port', String(uiPort), '--log-level', 'error'],
        ...['--db-filename', path.join(dir, 'temporal.sqlite'), ...SEARCH_ATTRIBUTES],
      ],
      { stdio: 'ignore', env: { PATH: process.env['PATH'], HOME: dir } },
    )
    for (let attempt = 0; attempt < 300; attempt++) {
      const up = await Connection.connect({ address, connectTimeout: '1s' })
        .then(async (connection) => {
          await connection.workflowService.describeNamespace({ namespace: 'default' })
          await connection.close()
          return true
        })
        .catch(() => false)
      if (up) return
      await sleep(100)
    }
    throw new Error('the Temporal server did not come up')
  }
  await start()
  return {
    address,
    kill,
    start,
    loseEverything: async () => {
      if (child !== undefined) throw new Error('stop the server first')
      for (const suffix of ['', '-wal', '-shm'])
        await rm(path.join(dir, `temporal.sqlite${suffix}`), { force: true })
    },
    async stop() {
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
