import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { sandboxed } from './sandbox-for-tests.ts'
import { openSidekick, startSidekick, stopSidekicks } from './sidekick-for-tests.ts'
import { makeRoots, portrait, putBack, removeFolders } from './trees-for-tests.ts'

afterEach(async () => {
  await stopSidekicks()
  removeFolders()
})

const ownerless = (line: string): string => line.replace(/ (0|1000) (0|1000) /, ' ')

test('a save is pulled out of a sandbox without network, verified, and put into another', async () => {
  const options = await sandboxed()
  const one = await openSidekick(options)
  mkdirSync(join(one.roots.env, 'bin'))
  const program = readFileSync(process.execPath)
  for (let i = 0; i < 500; i++)
    writeFileSync(
      join(one.roots.env, 'bin', `${i}`),
      program.subarray(i * 50_000, (i + 1) * 50_000),
    )
  await one.background(
    'mkfifo pipe; ln -s pipe link; echo secret > locked; chmod 0 locked; ls /sys/class/net > net; echo > made',
  )
  while (!existsSync(join(one.roots.home, 'made'))) await sleep(20)
  expect(readFileSync('/proc/net/dev', 'utf8')).toContain(':')

  const response = await one.open('POST', '/v1/archive', {
    saveId: 's1',
    baseSaveId: null,
    trees: ['home', 'env'],
  })
  const hash = createHash('sha256')
  const parts: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk)
    parts.push(chunk)
  }
  const bytes = Buffer.concat(parts)
  const summary = await one.summary('s1')
  expect(summary).toMatchObject({ bytes: bytes.length, sha256: hash.digest('hex'), kind: 'full' })

  const two = await startSidekick(options)
  const answer = await two.call('PUT', '/v1/restore?index=0&count=1', Readable.from(parts))
  expect(answer.status, answer.bytes.toString()).toBe(200)
  expect(answer.json()).toEqual({ entries: summary.entries })
  expect((await two.call('POST', '/v1/restored', { saveId: 's1' })).json()).toEqual({
    entries: summary.treeEntries,
    sizeBytes: summary.treeBytes,
  })
  expect(portrait(two.roots)).toEqual(portrait(one.roots))
  await two.call('POST', '/v1/open')
  expect(await two.isDirty()).toBe(false)
})

test('in its own pid namespace a freeze stops every process, orphans and daemons too', async () => {
  const one = await openSidekick(await sandboxed())
  const daemon = 'while :; do date +%s%N >> ticks; sleep 0.01; done'
  await one.background(
    `(setsid sh -c '${daemon}' &) ; (setsid sh -c 'setsid sh -c "${daemon}" &' &)`,
  )
  await sleep(500)
  const live = await one.archive('live')
  const frozen = await one.freeze()
  expect(frozen.json<{ stopped: number }>().stopped).toBeGreaterThanOrEqual(2)
  const before = portrait(one.roots)
  const delta = await one.archive('frozen', 'live')
  expect(portrait(one.roots)).toEqual(before)
  const to = makeRoots()
  await putBack(to, [live.bytes, delta.bytes])
  // Here root puts back what belongs to the sandbox's user, who is somebody else outside.
  expect(portrait(to).map(ownerless)).toEqual(before.map(ownerless))
  await one.thaw()
  await sleep(300)
  expect(portrait(one.roots)).not.toEqual(before)
})

test('a disk that fills up during a restore is said to be full, and the compute stays claimed', async () => {
  const one = await openSidekick()
  writeFileSync(join(one.roots.home, 'big'), readFileSync(process.execPath))
  const { bytes } = await one.archive('s1')
  const options = await sandboxed()
  const small = await startSidekick({
    ...options,
    wrap: (command, folders) => {
      const wrapped = options.wrap?.(command, folders) ?? []
      const home = folders[0] ?? ''
      const at = wrapped.findIndex((word, i) => word === '--bind' && wrapped[i + 1] === home)
      return [
        ...wrapped.slice(0, at),
        '--size',
        '8000000',
        '--tmpfs',
        home,
        ...wrapped.slice(at + 3),
      ]
    },
  })
  const answer = await small.call('PUT', '/v1/restore?index=0&count=1', Readable.from([bytes]))
  expect(answer.status).toBe(507)
  expect(answer.json()).toMatchObject({ code: 'no_space' })
  expect(await small.state()).toBe('claimed')
})
