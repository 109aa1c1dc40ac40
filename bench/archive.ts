/**
 * How long a save and its restore take against `tar | zstd` of the same tree in the same run.
 *
 *   node bench/archive.ts [--mib 1024] [--files 10000] [--rounds 3] [--dir /tmp]
 *
 * Rounds alternate, the best of each counts, in time and in processor time (which other work on the
 * machine distorts less); both read from a warm page cache and write to the same
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
    dir: { type: 'string', default: tmpdir() },
  },
})
const [mib, files, rounds] = [values.mib, values.files, values.rounds].map(Number) as [
  number,
  number,
  number,
]
const CAPS = { maxBytes: 100 * 1024 ** 3, maxEntries: 10_000_000 }

const folder = mkdtempSync(join(values.dir, 'dormouse-bench-'))
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

interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
}

const timed = async (work: () => Cost['cpuMs'] | Promise<void>): Promise<Cost> => {
  const startedAt = performance.now()
  const before = process.cpuUsage()
  const ofChildren = await work()
  const wallMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(before)
  return { wallMs, cpuMs: ofChildren ?? (user + system) / 1000 }
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

/** Runs in the bench's folder. Returns the processor time of all it started, in milliseconds. */
const sh = (command: string): number => {
  const script = `set -eo pipefail; TIMEFORMAT='%U %S'; time { ${command}; }`
  const { status, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  const [user = 0, system = 0] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return (user + system) * 1000
}

const best = (costs: readonly Cost[]): Cost => ({
  wallMs: Math.min(...costs.map(({ wallMs }) => wallMs)),
  cpuMs: Math.min(...costs.map(({ cpuMs }) => cpuMs)),
})

try {
  const tree = rootsIn('tree')
  plant(tree)
  execFileSync('sync')
  const times = { save: [], tarSave: [], restore: [], tarRestore: [] } as Record<string, Cost[]>
  const take = async (what: string, work: Parameters<typeof timed>[0]): Promise<void> =>
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
  const seconds = (ms: number): string => (ms / 1000).toFixed(2)
  const say = (what: string, ours: Cost, tar: Cost): void =>
    console.log(
      `${what}: ${seconds(ours.wallMs)} s, tar and zstd ${seconds(tar.wallMs)} s, ` +
        `ratio ${(ours.wallMs / tar.wallMs).toFixed(2)}; processor time ${seconds(ours.cpuMs)} s, ` +
        `tar and zstd ${seconds(tar.cpuMs)} s, ratio ${(ours.cpuMs / tar.cpuMs).toFixed(2)}`,
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
