import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anySpec, runtimeContract } from '../../contracts/runtime.contract.ts'
import { testRuntime } from '../../testing/ground.ts'
import { findByCommandLine, isAlive, killAndWait, processStat } from './processes.ts'
import { readRecord, statePaths, type SandboxRecord } from './state.ts'

const image = { name: 'host', digest: 'host' }
const newSpec = () => ({ ...anySpec(), image })

const freshStateDir = async (): Promise<string> => {
  const stateDir = await mkdtemp(path.join(tmpdir(), 'dm-'))
  await chmod(stateDir, 0o711)
  return stateDir
}
const recordOf = async (stateDir: string, computeId: string, generation: number) => {
  const file = statePaths(stateDir).sandboxRecord(computeId, generation)
  const record = await readRecord<SandboxRecord>(file)
  if (record === undefined) throw new Error('no sandbox was recorded')
  return record
}

runtimeContract('local', async () => {
  const stateDir = await freshStateDir()
  const home = (id: string, name: string) => path.join(statePaths(stateDir).tree(id), 'home', name)
  return {
    runtime: testRuntime(stateDir),
    image,
    keepsTrees: true,
    startsWithinMs: 1_000,
    anotherProcess: () => testRuntime(stateDir),
    kill: async (id, generation) => killAndWait(await recordOf(stateDir, id, generation)),
    writeHome: (id, name, text) => writeFile(home(id, name), text),
    readHome: (id, name) => readFile(home(id, name), 'utf8').catch(() => undefined),
    end: () => rm(stateDir, { recursive: true, force: true }),
  }
})

describe('the local runtime', () => {
  let stateDir: string
  beforeAll(async () => {
    stateDir = await freshStateDir()
  })
  afterAll(async () => {
    const runtime = testRuntime(stateDir)
    for (const sandbox of await runtime.list()) await runtime.stop(sandbox, { keepTree: false })
    await rm(stateDir, { recursive: true, force: true })
  })

  it('ends what a launch left that died before it could write its record', async () => {
    const runtime = testRuntime(stateDir)
    const spec = newSpec()
    await runtime.ensure(spec)
    const record = await recordOf(stateDir, spec.computeId, 1)
    await rm(statePaths(stateDir).sandboxRecord(spec.computeId, 1))
    await runtime.ensure(spec)
    expect(await isAlive(record)).toBe(false)
    const folder = `${statePaths(stateDir).generation(spec.computeId, 1)}/`
    // bubblewrap and the namespace's first process, once.
    expect(await findByCommandLine(folder)).toHaveLength(2)
  })

  it('does not take a stranger for its sandbox when the pid was given away', async () => {
    const runtime = testRuntime(stateDir)
    const spec = newSpec()
    await runtime.ensure(spec)
    const record = await recordOf(stateDir, spec.computeId, 1)
    await killAndWait(record)
    const stranger = spawn('sleep', ['30'], { stdio: 'ignore' })
    const stat = await processStat(stranger.pid ?? 0)
    await writeFile(
      statePaths(stateDir).sandboxRecord(spec.computeId, 1),
      JSON.stringify({ ...record, pid: stat?.pid }),
    )
    expect(await runtime.inspect(spec)).toBe('gone')
    await runtime.stop(spec, { keepTree: false })
    await sleep(100)
    expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null])
    stranger.kill()
  })

  it('goes on after its holder of a lock was killed', async () => {
    const runtime = testRuntime(stateDir)
    const spec = newSpec()
    await mkdir(path.join(stateDir, 'locks'), { recursive: true })
    await writeFile(
      path.join(stateDir, 'locks', spec.computeId),
      JSON.stringify({ pid: 4_000_000, startTicks: 1, token: 'dead' }),
    )
    expect((await runtime.ensure(spec)).tree).toBe('fresh')
  })
})
