/**
 * How long a save and its restore take against `tar | zstd` of the same tree in the same run.
 *
 *   node bench/archive.ts [--mib 1024] [--files 10000] [--rounds 3]
 *
 * Rounds alternate, the best of each counts; both read from a warm page cache and write to the same
 * disk. Ours hashes, indexes, and keeps what tar drops; the aim is a ratio of at most 1.3.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SaveThread } from '../sidekick/saves/save-thread.ts'
import type { TreeRoots } from '../sidekick/saves/tree-path.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    files: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
  },
})
const [mib, files, rounds] = [values.mib, values.files, values.rounds].map(Number) as [
  number,
  number,
  number,
]
const CAPS = { maxBytes: 100 * 1024 ** 3, maxEntries: 10_000_000 }

const folder = mkdtempSync(join(tmpdir(), 'dormouse-bench-'))
const thread = new SaveThread()

const rootsIn = (name: string): TreeRoots => {
  const roots = { home: join(folder, name, 'home'), env: join(folder, name, 'env') }
  for (const root of Object.values(roots)) mkdirSync(root, { recursive: true })
  return roots
}

const nameless = (): number => {
  const path = join(folder, 'nameless')
  const fd = openSync(path, 'w+')
  unlinkSync(path)
  return fd
}

/** Half program code, a quarter text, a quarter noise: about what a tree of packages holds. */
const plant = (roots: TreeRoots): void => {
  const code = readFileSync(process.execPath)
  const text = Buffer.from(
    Array.from({ length: 20_000 }, (_, i) => `line ${i * 7919} of a log\n`).join(''),
  )
  const noise = randomFillSync(Buffer.alloc(8 * 1024 * 1024))
  const sources = [code, text, code, noise]
  const averageBytes = (mib * 1024 * 1024) / files
  for (let i = 0; i < files; i++) {
    const parent = join(i % 2 ? roots.home : roots.env, `d${i % 100}`)
    if (i < 200) mkdirSync(parent, { recursive: true })
    const source = sources[i % 4] ?? code
    // Sizes from a tenth to about four times the average, as trees have them.
    const size = Math.floor(averageBytes * (0.1 + 3.6 * ((i * 0.618) % 1) ** 3))
    const from = (i * 65_537) % Math.max(1, source.length - size)
    writeFileSync(join(parent, `f${i}`), source.subarray(from, from + size))
  }
}

const timed = async (work: () => void | Promise<void>): Promise<number> => {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

const archive = async (roots: TreeRoots, to: string): Promise<void> => {
  const [indexFd, removedFd] = [nameless(), nameless()]
  const job = { saveId: 's', base: null, roots, trees: ['home', 'env'] as const, caps: CAPS }
  const running = thread.run({ kind: 'archive', job: { ...job, indexFd, removedFd } })
  const out = openSync(to, 'w')
  for await (const chunk of running.output) writeSync(out, chunk)
  await running.result
  for (const fd of [out, indexFd, removedFd]) closeSync(fd)
}

const restore = async (roots: TreeRoots, from: string): Promise<void> => {
  const running = thread.run({ kind: 'restore', job: { roots, index: 0, caps: CAPS } })
  for await (const chunk of createReadStream(from, { highWaterMark: 256 * 1024 }))
    await running.send(chunk as Buffer)
  running.end()
  await running.result
}

const sh = (command: string): void => {
  const { status, stderr } = spawnSync('sh', ['-ec', command], { cwd: folder })
  if (status !== 0) throw new Error(stderr.toString())
}

const best = (all: readonly number[]): number => Math.min(...all)

try {
  const tree = rootsIn('tree')
  plant(tree)
  execFileSync('sync')
  const times = { save: [], tarSave: [], restore: [], tarRestore: [] } as Record<string, number[]>
  const take = async (what: string, work: () => void | Promise<void>): Promise<void> =>
    void times[what]?.push(await timed(work))
  for (let round = 0; round < rounds; round++) {
    await take('tarSave', () => sh('tar -C tree -cf - home env | zstd -q -1 --check > tar.zst'))
    await take('save', () => archive(tree, join(folder, 'ours.zst')))
    execFileSync('sync')
    mkdirSync(join(folder, 'by-tar'))
    await take('tarRestore', () => sh('zstd -q -dc tar.zst | tar -C by-tar -xpf -'))
    execFileSync('sync')
    const roots = rootsIn('ours')
    await take('restore', () => restore(roots, join(folder, 'ours.zst')))
    execFileSync('sync')
    if (round === 0) sh('diff -r tree by-tar && diff -r tree ours')
    for (const made of ['by-tar', 'ours']) rmSync(join(folder, made), { recursive: true })
  }
  const say = (what: string, ours: number, tar: number): void =>
    console.log(
      `${what}: ${(ours / 1000).toFixed(2)} s, tar and zstd ${(tar / 1000).toFixed(2)} s, ratio ${(ours / tar).toFixed(2)}`,
    )
  const [oursBytes, tarBytes] = ['ours.zst', 'tar.zst'].map(
    (name) => statSync(join(folder, name)).size,
  )
  console.log(`${files} files, ${mib} MiB; ${oursBytes} bytes, tar and zstd ${tarBytes}`)
  say('save', best(times['save'] ?? []), best(times['tarSave'] ?? []))
  say('restore', best(times['restore'] ?? []), best(times['tarRestore'] ?? []))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
