/**
 * The two experiments behind docs/decisions/0001 and 0002, against the sidekick as it ships, in a
 * bubblewrap sandbox without network:
 *
 *   node bench/archive-sandboxed.ts [--mib 512] [--files 5000] [--rounds 20]
 *
 * 1. A save is pulled over the Unix socket, hashed, decoded to its end, and put into another sandbox.
 * 2. Four writers append and fsync; each round saves live, freezes, saves the delta, thaws. Every
 *    write that was acknowledged before the freeze must be in the two parts.
 */
import { spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sandboxed } from '../sidekick/saves/sandbox-for-tests.ts'
import { openSidekick, startSidekick, stopSidekicks } from '../sidekick/saves/sidekick-for-tests.ts'
import { makeFolder, makeRoots, putBack, removeFolders } from '../sidekick/saves/trees-for-tests.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '20' },
  },
})
const mib = Number(values.mib)
const files = Number(values.files)
const rounds = Number(values.rounds)

const WRITER = `
const fs = require('node:fs')
const fd = fs.openSync(process.argv[1], 'a')
for (let n = 1; ; n++) {
  fs.writeSync(fd, String(n).padStart(12, '0') + 'x'.repeat(87) + '\\n')
  fs.fsyncSync(fd)
  fs.writeSync(1, n + '\\n')
}`

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0
const spread = (all: readonly number[]): string =>
  `median ${median(all).toFixed(0)}, largest ${Math.max(...all).toFixed(0)}`
const timed = async <T>(work: Promise<T>, into: number[]): Promise<T> => {
  const startedAt = performance.now()
  const result = await work
  into.push(performance.now() - startedAt)
  return result
}

const pulled = async (): Promise<void> => {
  const options = await sandboxed()
  const one = await openSidekick(options)
  const code = readFileSync(process.execPath)
  const noise = randomFillSync(Buffer.alloc(8 * 1024 * 1024))
  const size = Math.floor((mib * 1024 * 1024) / files)
  for (let i = 0; i < files; i++) {
    const folder = join(i % 2 ? one.roots.home : one.roots.env, `d${i % 100}`)
    if (i < 200) mkdirSync(folder, { recursive: true })
    const source = i % 4 === 3 ? noise : code
    const from = (i * 65_537) % (source.length - size)
    writeFileSync(join(folder, `f${i}`), source.subarray(from, from + size))
  }
  const archived = join(makeFolder(), 'archive')
  const hash = createHash('sha256')
  let bytes = 0
  const startedAt = performance.now()
  const out = createWriteStream(archived)
  const body = { saveId: 's', baseSaveId: null, trees: ['home', 'env'] }
  for await (const chunk of (await one.open(
    'POST',
    '/v1/archive',
    body,
  )) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
    if (!out.write(chunk)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
  const pullMs = performance.now() - startedAt
  const summary = await one.summary('s')
  const sha256 = hash.digest('hex')
  const listed = spawn('sh', ['-c', `zstd -q -dc ${archived} | tar -tf - | wc -l`])
  const names = Number((await listed.stdout.toArray()).join(''))
  const two = await startSidekick(options)
  const restore: number[] = []
  const answer = await timed(
    two.call('PUT', '/v1/restore?index=0&count=1', Readable.from([readFileSync(archived)])),
    restore,
  )
  const same = sha256 === summary.sha256 && bytes === summary.bytes && names === summary.entries
  console.log(
    `pulled ${files} files, ${mib} MiB as ${bytes} bytes in ${(pullMs / 1000).toFixed(2)} s ` +
      `(${(mib / (pullMs / 1000)).toFixed(0)} MiB/s of tree); hash, bytes and entries ` +
      `${same ? 'agree' : 'DIFFER'}; restored ${answer.status} in ${((restore[0] ?? 0) / 1000).toFixed(2)} s`,
  )
}

const written = async (): Promise<void> => {
  const one = await openSidekick(await sandboxed())
  writeFileSync(join(one.roots.home, 'writer.cjs'), WRITER)
  const writers = [1, 2, 3, 4]
  for (const n of writers)
    await one.background(`exec /.dormouse/node -e "$(cat writer.cjs)" log.${n} > acks.${n}`)
  await sleep(1000)
  const [freezes, frozen, deltas, stopped]: number[][] = [[], [], [], []]
  let acknowledged = 0
  let lost = 0
  let torn = 0
  for (let round = 0; round < rounds; round++) {
    const live = await one.archive(`live-${round}`)
    const begun = performance.now()
    const freeze = await timed(one.freeze(), freezes ?? [])
    stopped?.push(freeze.json<{ stopped: number }>().stopped)
    const acks = writers.map((n) =>
      Number(
        readFileSync(join(one.roots.home, `acks.${n}`), 'utf8')
          .trimEnd()
          .split('\n')
          .at(-1),
      ),
    )
    const delta = await one.archive(`delta-${round}`, `live-${round}`)
    await one.summary(`delta-${round}`)
    await one.thaw()
    frozen?.push(performance.now() - begun)
    deltas?.push(delta.bytes.length)
    const to = makeRoots()
    await putBack(to, [live.bytes, delta.bytes])
    for (const [i, n] of writers.entries()) {
      const lines = readFileSync(join(to.home, `log.${n}`), 'utf8').split('\n')
      acknowledged += acks[i] ?? 0
      lost += Math.max(0, (acks[i] ?? 0) - (lines.length - 1))
      torn +=
        lines.slice(0, -1).filter((line) => line.length !== 99).length + (lines.at(-1) ? 1 : 0)
    }
    await sleep(50)
  }
  console.log(
    `${rounds} rounds over four fsyncing writers: ${acknowledged} acknowledged records checked, ` +
      `${lost} lost, ${torn} torn; processes stopped ${spread(stopped ?? [])}; freeze ms ` +
      `${spread(freezes ?? [])}; frozen in all ms ${spread(frozen ?? [])}; delta bytes ${spread(deltas ?? [])}`,
  )
}

try {
  await pulled()
  await stopSidekicks()
  await written()
} finally {
  await stopSidekicks()
  removeFolders()
}
