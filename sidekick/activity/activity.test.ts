import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActivityStatus, CommandInfo } from '../protocol.ts'
import { StartedSidekick } from '../testing/sidekick.ts'
import { TerminalTestClient } from '../testing/terminal-client.ts'
import { Activity } from './activity.ts'

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

describe('activity', () => {
  it('is the last touch, or now while something is held', () => {
    let now = 0
    const activity = new Activity(() => now)
    now = 1000
    expect([activity.idleForMs(), activity.reason()]).toEqual([1000, null])
    activity.touch('terminal:main')
    now = 1500
    expect([activity.idleForMs(), activity.reason()]).toEqual([500, 'terminal:main'])
    const release = activity.hold('command:1 npm')
    now = 1e9
    expect([activity.idleForMs(), activity.reason()]).toEqual([0, 'command:1 npm'])
    release()
    release()
    now += 400_000
    expect([activity.idleForMs(), activity.reason()]).toEqual([400_000, null])
  })
})

describe('a compute', () => {
  let sidekick: StartedSidekick
  beforeAll(async () => {
    sidekick = await StartedSidekick.open({ env: { DORMOUSE_CPU_WINDOW_MS: '2000' } })
  })
  afterAll(() => sidekick?.stop())
  const status = async () => (await sidekick.ask('/v1/activity')).json<ActivityStatus>()

  it('is kept up by terminal input and output, and not by an open socket or being asked', async () => {
    const client = await TerminalTestClient.attach(sidekick, 'id=main')
    await client.until(() => client.text.length > 0, 'prompt')
    await wait(600)
    const before = (await status()).idleForMs
    expect(before).toBeGreaterThan(100)
    await wait(200)
    await sidekick.ask('/v1/hello', { ticket: null })
    expect((await status()).idleForMs).toBeGreaterThan(before)
    client.type('echo x\n')
    await client.shows('x\r\n')
    expect(await status()).toMatchObject({ reason: 'terminal:main', terminals: 1 })
    expect((await status()).idleForMs).toBeLessThan(before)
    client.drop()
  })

  it('is kept up by a running command, whose arguments are not told', async () => {
    const body = { command: 'TOKEN=secret sleep 100' }
    const { id } = (await sidekick.post('/v1/commands', body)).json<CommandInfo>()
    const seen = await status()
    expect(seen).toMatchObject({ idleForMs: 0, reason: `command:${id} sleep`, commands: 1 })
    expect(seen.memoryBytes).toBeGreaterThan(100_000)
    await sidekick.ask(`/v1/commands/${id}`, { method: 'DELETE' })
    await expect
      .poll(async () => (await status()).idleForMs, { timeout: 10_000 })
      .toBeGreaterThan(0)
  })

  it('is kept up by a process that computes, though nobody looks at it', async () => {
    const start = 'nohup sh -c "while :; do :; done" >/dev/null 2>&1 & echo $!'
    const pid = Number((await sidekick.exec(start)).stdout)
    await wait(2500)
    const busy = await status()
    process.kill(pid, 'SIGKILL')
    expect(busy.reason).toBe(`cpu:${pid} sh`)
    expect(busy.idleForMs).toBeLessThan(500)
    await wait(3500)
    expect((await status()).idleForMs).toBeGreaterThan(500)
  })
})
