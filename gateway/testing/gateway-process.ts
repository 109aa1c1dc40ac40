/** The gateway as a process of its own, which the suite may kill. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from 'esbuild'

export type GatewayProcess = Awaited<ReturnType<typeof startGatewayProcess>>

const ROOT = path.resolve(import.meta.dirname, '../..')
// Inside node_modules, so that its packages are found.
const BUNDLE = path.join(ROOT, `node_modules/.cache/gateway-${process.pid}.mjs`)
let bundled: Promise<unknown> | undefined

const bundle = () =>
  build({
    entryPoints: [path.join(ROOT, 'gateway/main.ts')],
    outfile: BUNDLE,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  })

export const startGatewayProcess = async (env: Readonly<Record<string, string>>) => {
  await (bundled ??= bundle())
  const origin = env['DORMOUSE_GATEWAY_ORIGIN'] ?? ''
  let child: ChildProcess | undefined
  let kills = 0

  const start = async (): Promise<void> => {
    child = spawn(process.execPath, [BUNDLE], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const deadline = Date.now() + 30_000
    for (;;) {
      const answer = await fetch(`${origin}/healthz`).catch(() => undefined)
      if (answer?.ok) return
      if (Date.now() > deadline || child.exitCode !== null)
        throw new Error(`the gateway did not start (${child.exitCode})`)
      await sleep(20)
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const ending = child
    if (ending === undefined || ending.exitCode !== null) return ending?.exitCode ?? null
    const ended = new Promise<number | null>((resolve) => ending.once('exit', resolve))
    ending.kill(signal)
    return ended
  }
  await start()
  return {
    get kills() {
      return kills
    },
    get pid() {
      return child?.pid ?? 0
    },
    start,
    /** SIGKILL, at once. */
    async kill() {
      kills += 1
      await end('SIGKILL')
    },
    /** SIGTERM; the exit code. */
    terminate: () => end('SIGTERM'),
    residentBytes: () => residentBytes(child?.pid ?? 0),
    async close() {
      await end('SIGKILL')
      await rm(BUNDLE, { force: true })
      bundled = undefined
    },
  }
}

export const residentBytes = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024
}
