import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { StartedSidekick } from '../testing/sidekick.ts'
import { TerminalTestClient } from '../testing/terminal-client.ts'

const MIB = 1024 * 1024

let sidekick: StartedSidekick
beforeAll(async () => {
  sidekick = await StartedSidekick.open()
})
afterAll(() => sidekick?.stop())
afterEach(async () => {
  for (const { id } of (await sidekick.ask('/v1/terminals')).json<{ id: string }[]>())
    await sidekick.ask(`/v1/terminals/${id}`, { method: 'DELETE' })
})

const attach = (query: string, options?: { acknowledge?: boolean }) =>
  TerminalTestClient.attach(sidekick, query, options)
const rssBytes = () => {
  const status = readFileSync(`/proc/${sidekick.child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024
}
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** Reads 10 KB/s: takes a little, acknowledges it, and stops the socket in between. */
const readSlowly = (client: TerminalTestClient): (() => void) => {
  let acked = client.hello!.offset
  client.socket.pause()
  const timer = setInterval(() => {
    acked += 1000
    client.ack(acked)
    client.socket.resume()
    setTimeout(() => client.socket.pause(), 1)
  }, 100)
  return () => clearInterval(timer)
}

describe('a flood in a terminal', () => {
  it('is held back when the only reader takes 10 KB/s, and memory stays where it was', async () => {
    const warm = await attach('id=flood&client=warm')
    warm.type('head -c 3000000 /dev/zero | tr "\\0" w; echo; echo warm\n')
    await warm.shows('\r\nwarm')
    warm.drop()
    const before = rssBytes()
    const slow = await attach('id=flood&client=slow', { acknowledge: false })
    const stop = readSlowly(slow)
    slow.type('yes\n')
    let most = 0
    for (let i = 0; i < 30; i += 1) {
      await wait(100)
      most = Math.max(most, rssBytes())
    }
    expect(most - before).toBeLessThan(16 * MIB)
    expect(slow.truncations).toHaveLength(0)
    stop()
    slow.drop()
  })

  it('does not let the slow reader hold up another, whose Ctrl-C echoes within a second', async () => {
    const before = rssBytes()
    const slow = await attach('id=both&client=slow', { acknowledge: false })
    const stop = readSlowly(slow)
    const normal = await attach('id=both&client=normal')
    normal.type('yes\n')
    await normal.until(() => normal.receivedBytes > 4 * MIB, '4 MiB')
    normal.clear()
    const at = performance.now()
    normal.type('\x03')
    await normal.shows('^C')
    expect(performance.now() - at).toBeLessThan(1000)
    expect(rssBytes() - before).toBeLessThan(16 * MIB)
    stop()
    slow.socket.resume()
    slow.ack(1e12)
    await slow.until(() => slow.truncations.length > 0, 'truncated')
    slow.drop()
    normal.drop()
  })

  it('rolls on when nobody is attached', async () => {
    const client = await attach('id=alone')
    client.type('head -c 3000000 /dev/zero | tr "\\0" x; touch finished\n')
    await client.until(() => client.acked > 0, 'ack')
    client.drop()
    for (let i = 0; i < 400; i += 1) {
      if ((await sidekick.ask(`/v1/files/stat?path=finished`)).status === 200) return
      await wait(50)
    }
    expect.fail('the program waited for a reader')
  })

  it('leaves other terminals as quick as they were', async () => {
    const flooded = await attach('id=noisy')
    flooded.type('yes\n')
    await flooded.until(() => flooded.receivedBytes > MIB, '1 MiB')
    const other = await attach('id=quiet')
    await other.until(() => other.text.length > 0, 'prompt')
    const times: number[] = []
    for (let i = 0; i < 20; i += 1) {
      const at = performance.now()
      other.type(`echo q${i}-$((1))\n`)
      await other.shows(`q${i}-1`)
      times.push(performance.now() - at)
    }
    times.sort((a, b) => a - b)
    expect(times[10]).toBeLessThan(1000)
    flooded.drop()
    other.drop()
  })

  it('input that no program reads is not acknowledged for ever, and does not burn a core', async () => {
    const client = await attach('id=stuck')
    client.type('stty raw -echo; sleep 1000\n')
    await wait(300)
    const chunk = 'x'.repeat(64 * 1024)
    for (let id = 10; id < 30; id += 1) client.type(chunk, id)
    await wait(500)
    expect(client.acked).toBeLessThan(20)
    const cpu = () =>
      readFileSync(`/proc/${sidekick.child.pid}/stat`, 'utf8')
        .split(') ')[1]!
        .split(' ')
        .slice(11, 13)
        .reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
    const before = cpu()
    await wait(1000)
    expect(cpu() - before).toBeLessThan(200)
    client.drop()
  })
})
