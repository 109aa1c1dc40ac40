import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { EPOCH, openSidekick, startSidekick, stopSidekicks } from './sidekick-for-tests.ts'
import { makeRoots, portrait, putBack, removeFolders } from './trees-for-tests.ts'

// Each starts real processes, on machines that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

afterEach(async () => {
  await stopSidekicks()
  removeFolders()
})

const lastLine = (text: string): number =>
  Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1))

/** Appends a line, fsyncs it, and only then acknowledges it on standard output. */
const WRITER = `
const fs = require('node:fs')
const fd = fs.openSync(process.argv[1], 'a')
for (let n = 1; ; n++) {
  fs.writeSync(fd, String(n).padStart(12, '0') + 'x'.repeat(87) + '\\n')
  fs.fsyncSync(fd)
  fs.writeSync(1, n + '\\n')
}`

/** What runs again shows it within milliseconds, on a busy machine a little later. */
const SOON = { timeout: 10_000 }

test('every acknowledged write is in the delta of a freeze, and no record is torn', async () => {
  const sidekick = await openSidekick()
  writeFileSync(join(sidekick.roots.home, 'writer.cjs'), WRITER)
  const log = join(sidekick.roots.home, 'log')
  const node = process.execPath
  for (const n of [1, 2, 3])
    await sidekick.background(`exec ${node} -e "$(cat writer.cjs)" '${log}.${n}' > acks.${n}`)
  const acks = (n: number): string => join(sidekick.roots.home, `acks.${n}`)
  while (!existsSync(acks(3)) || readFileSync(acks(3)).length < 100) await sleep(20)

  let base: string | null = null
  for (let round = 0; round < 5; round++) {
    const live = await sidekick.archive(`live-${round}`, base)
    const freeze = await sidekick.freeze()
    expect(freeze.status, freeze.bytes.toString()).toBe(200)
    expect(freeze.json<{ stopped: number }>().stopped).toBeGreaterThanOrEqual(3)
    const acknowledged = [1, 2, 3].map((n) => lastLine(readFileSync(acks(n), 'utf8')))
    const before = portrait(sidekick.roots)
    const delta = await sidekick.archive(`frozen-${round}`, `live-${round}`)
    expect(delta.headers['x-dormouse-archive']).toBe('delta')
    // Nothing moved while the save was taken.
    expect(portrait(sidekick.roots)).toEqual(before)
    const to = makeRoots()
    await putBack(to, [live.bytes, delta.bytes])
    expect(portrait(to)).toEqual(before)
    for (const n of [1, 2, 3]) {
      const lines = readFileSync(join(to.home, `log.${n}`), 'utf8').split('\n')
      expect(lines.pop()).toBe('')
      lines.forEach((line, i) =>
        expect(line).toBe(String(i + 1).padStart(12, '0') + 'x'.repeat(87)),
      )
      expect(lines.length).toBeGreaterThanOrEqual(acknowledged[n - 1] ?? 0)
    }
    expect((await sidekick.thaw()).status).toBe(204)
    await expect
      .poll(() => lastLine(readFileSync(acks(1), 'utf8')), SOON)
      .toBeGreaterThan(acknowledged[0] ?? 0)
    base = null
  }
}, 60_000)

test('a tree of processes that forks all the time is stopped whole, and goes on after the thaw', async () => {
  const sidekick = await openSidekick()
  const marks = join(sidekick.roots.home, 'marks')
  mkdirSync(marks)
  const forking = `while :; do (sh -c 'echo x >> ${marks}/$$' &); sleep 0.01; done`
  await sidekick.background(forking)
  await sidekick.background(forking)
  await sleep(300)
  expect((await sidekick.freeze()).status).toBe(200)
  const still = portrait(sidekick.roots)
  await sleep(300)
  expect(portrait(sidekick.roots)).toEqual(still)
  await sidekick.thaw()
  await expect.poll(() => portrait(sidekick.roots), SOON).not.toEqual(still)
}, 20_000)

test('programs that start others by vfork all the time are stopped too', async () => {
  const sidekick = await openSidekick()
  const python = `import subprocess
while True: subprocess.run(['true'])`
  for (let n = 0; n < 3; n++) await sidekick.background(`python3 -c "${python}"`)
  await sleep(500)
  for (let round = 0; round < 15; round++) {
    const startedAt = performance.now()
    const answer = await sidekick.freeze()
    expect(answer.status, answer.bytes.toString()).toBe(200)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    await sidekick.thaw()
    await sleep(20)
  }
})

test('while frozen no command starts and no file is written; after the thaw they do', async () => {
  const sidekick = await openSidekick()
  await sidekick.freeze()
  expect(await sidekick.state()).toBe('frozen')
  const command = await sidekick.call('POST', '/v1/commands', { command: 'true' })
  expect(command.status).toBe(503)
  expect(command.json()).toMatchObject({ code: 'frozen' })
  const write = await sidekick.call('PUT', '/v1/files/content?path=new', Buffer.from('x'))
  expect(write.status).toBe(503)
  await sidekick.thaw()
  expect((await sidekick.call('POST', '/v1/commands', { command: 'true' })).status).toBe(201)
})

test('a freeze refuses while something was active, and stops nothing', async () => {
  const sidekick = await openSidekick()
  await sidekick.background('while :; do date +%s%N > tick; sleep 0.02; done')
  const tick = join(sidekick.roots.home, 'tick')
  while (!existsSync(tick)) await sleep(20)
  const refused = await sidekick.freeze({ onlyIfIdleForMs: 60_000 })
  expect(refused.status).toBe(409)
  expect(refused.json()).toMatchObject({
    code: 'active',
    details: { activity: expect.any(String) },
  })
  expect(await sidekick.state()).toBe('open')
  const before = readFileSync(tick, 'utf8')
  await expect.poll(() => readFileSync(tick, 'utf8'), SOON).not.toBe(before)
})

test('an idle compute is frozen when idleness is asked for', async () => {
  const sidekick = await openSidekick()
  await sleep(150)
  expect((await sidekick.freeze({ onlyIfIdleForMs: 100 })).status).toBe(200)
})

test('a freeze ends by itself when its lease runs out, and an archive begun in it breaks off', async () => {
  const sidekick = await openSidekick()
  await sidekick.background('while :; do date +%s%N > tick; sleep 0.02; done')
  const noise = readFileSync(process.execPath).subarray(0, 60_000_000)
  for (let i = 0; i < 300; i++)
    writeFileSync(join(sidekick.roots.home, `${i}`), noise.subarray(i * 200_000, (i + 1) * 200_000))
  await sidekick.freeze({ leaseMs: 3_000 })
  const body = { saveId: 's1', baseSaveId: null, trees: ['home', 'env'] }
  const response = await sidekick.open('POST', '/v1/archive', body)
  expect(response.statusCode).toBe(200)
  await sleep(4_000) // nobody reads: the lease runs out in the middle of the stream
  expect(await sidekick.state()).toBe('open')
  await expect(response.toArray()).rejects.toThrow()
  expect((await sidekick.call('GET', '/v1/saves/s1')).status).toBe(404)
  const tick = () => readFileSync(join(sidekick.roots.home, 'tick'), 'utf8')
  const before = tick()
  await expect.poll(tick, SOON).not.toBe(before)
})

test('asked again, a freeze gets a new lease', async () => {
  const sidekick = await openSidekick()
  await sidekick.freeze({ leaseMs: 1_500 })
  await sleep(1_000)
  await sidekick.freeze({ leaseMs: 3_000 })
  await sleep(1_500)
  expect(await sidekick.state()).toBe('frozen')
  await sleep(3_000)
  expect(await sidekick.state()).toBe('open')
})

test('only its own epoch or a newer one may freeze and thaw', async () => {
  const sidekick = await openSidekick()
  const stale = await sidekick.freeze({ epoch: EPOCH - 1 })
  expect(stale.status).toBe(409)
  expect(stale.json()).toMatchObject({ code: 'stale_epoch' })
  await sidekick.freeze({ epoch: EPOCH + 1 })
  expect((await sidekick.thaw(EPOCH)).json()).toMatchObject({ code: 'stale_epoch' })
  expect(await sidekick.state()).toBe('frozen')
  expect((await sidekick.thaw(EPOCH + 2)).status).toBe(204)
  expect(await sidekick.state()).toBe('open')
  expect((await sidekick.thaw(EPOCH + 2)).status).toBe(204)
})

test('what its user had stopped stays stopped after the thaw', async () => {
  const sidekick = await openSidekick()
  await sidekick.background('echo $$ > pid; kill -STOP $$; echo went on > on')
  const pidFile = join(sidekick.roots.home, 'pid')
  while (!existsSync(pidFile)) await sleep(20)
  await sleep(100)
  await sidekick.freeze()
  await sidekick.thaw()
  await sleep(200)
  expect(existsSync(join(sidekick.roots.home, 'on'))).toBe(false)
})

test('a compute that is not open cannot be frozen', async () => {
  const sidekick = await startSidekick()
  expect((await sidekick.freeze()).status).toBe(409)
})

test('a file mapped for writing is in every delta, whatever its times say', async () => {
  const sidekick = await openSidekick()
  const path = join(sidekick.roots.home, 'mapped')
  writeFileSync(path, Buffer.alloc(4096))
  const python = `import mmap,time,os
f=open('${path}','r+b'); m=mmap.mmap(f.fileno(),4096); m[0]=1
open('ready','w').close()
while not os.path.exists('go'): time.sleep(0.01)
m[0]=2; open('done','w').close(); time.sleep(60)`
  await sidekick.background(`python3 -c "${python}"`)
  while (!existsSync(join(sidekick.roots.home, 'ready'))) await sleep(20)
  await sleep(100)
  const full = await sidekick.archive('s1')
  appendFileSync(join(sidekick.roots.home, 'go'), '')
  while (!existsSync(join(sidekick.roots.home, 'done'))) await sleep(20)
  await sidekick.freeze()
  const delta = await sidekick.archive('s2', 's1')
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(readFileSync(join(to.home, 'mapped'))[0]).toBe(2)
})
