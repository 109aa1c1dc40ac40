/**
 * Writes one save: a pax tar of the trees (or of what changed since a base) through zstd.
 * Runs on a thread of its own: reading is synchronous there while zstd works on another, which
 * keeps both busy without a promise per file.
 */
import { writeSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack, type Pack } from 'tar-stream'
import { inBatches } from './batches.ts'
import { changesBetween, type BaseScan } from './delta.ts'
import { appendEntry, type EntrySource, putPieces } from './archive-entry.ts'
import { readIndex } from './index-file.ts'
import { LeftOut } from './left-out.ts'
import { ARCHIVE_REMOVED_LIST } from '../protocol.ts'
import { closingLine, openingLine, removedLine } from '../removals.ts'
import type { SavedIndex } from './saved-index.ts'
import { scanTrees, type Caps, type Scan } from './scan.ts'
import { isHardLinked, type TreeEntry } from './tree-entry.ts'
import type { TreeName, TreeRoots } from './tree-path.ts'
import { compressor } from './zstd.ts'

export interface ArchiveJob {
  readonly saveId: string
  readonly base: SavedIndex | null
  readonly roots: TreeRoots
  readonly trees: readonly TreeName[]
  readonly caps: Caps
  /** Two empty files, open for reading and writing. */
  readonly indexFd: number
  readonly removedFd: number
}

export interface ArchiveOutput {
  /** Once everything was counted and no cap was hit, before the first byte. */
  begin(kind: 'full' | 'delta'): void
  write(chunk: Buffer): Promise<void>
}

export interface ArchiveResult {
  readonly index: SavedIndex
  /** Tar entries in the stream, the list of removals included. */
  readonly entries: number
}

const BATCH_BYTES = 1024 * 1024

/** Errors: too_large before any byte; forbidden. */
export const writeArchive = async (
  job: ArchiveJob,
  output: ArchiveOutput,
): Promise<ArchiveResult> => {
  const scan = scanTrees(job)
  const difference = job.base && compare(job.base, scan, job.removedFd)
  output.begin(difference ? 'delta' : 'full')
  const tar = pack({ highWaterMark: BATCH_BYTES })
  const writing = difference
    ? writeDelta(tar, job, scan, difference)
    : writeEntries(tar, job, scan, whole(scan.index))
  const failed = new AbortController()
  writing.catch((error: unknown) => failed.abort(error))
  try {
    await pipeline(
      Readable.from(inBatches(tar as unknown as AsyncIterable<Buffer>, BATCH_BYTES), {
        objectMode: false,
      }),
      compressor(),
      async (compressed: AsyncIterable<Buffer>) => {
        for await (const chunk of compressed) await output.write(chunk)
      },
      { signal: failed.signal },
    )
  } catch (error) {
    // Whoever still waits for the tar to take an entry is let go.
    tar.destroy()
    throw failed.signal.aborted ? failed.signal.reason : error
  }
  return await writing
}

interface Difference {
  readonly base: SavedIndex
  readonly scan: BaseScan
  readonly removedBytes: number
  /** Inodes with several names of which one changed: all their names go into the delta. */
  readonly linked: ReadonlySet<bigint>
}

const compare = (base: SavedIndex, scan: Scan, removedFd: number): Difference => {
  const suspects = new Set([...base.scan.suspects, ...scan.suspects])
  const since = { ...base.scan, suspects }
  const linked = new Set<bigint>()
  let removedBytes = writeSync(removedFd, openingLine(base.saveId), 0)
  let isFirst = true
  for (const change of changesBetween(read(base), read(scan.index), since)) {
    if (change.kind === 'removed') {
      removedBytes += writeSync(removedFd, removedLine(change.path, isFirst), removedBytes)
      isFirst = false
    } else if (change.kind === 'changed') {
      if (isHardLinked(change.entry)) linked.add(change.entry.ino)
    } else keepQuiet(scan, since, change.entry)
  }
  removedBytes += writeSync(removedFd, closingLine, removedBytes)
  return { base, scan: since, removedBytes, linked }
}

/** What we made quiet for the base, and did not touch since, is quiet for the next delta too. */
const keepQuiet = ({ access }: Scan, since: BaseScan, { ino, ctimeNs }: TreeEntry): void => {
  if (since.quiet.get(ino) === ctimeNs && !access.quiet.has(ino)) access.quiet.set(ino, ctimeNs)
}

const writeDelta = async (
  tar: Pack,
  job: ArchiveJob,
  scan: Scan,
  { base, scan: since, removedBytes, linked }: Difference,
): Promise<ArchiveResult> => {
  const list = { ...REMOVED_LIST_ENTRY, size: removedBytes }
  await putPieces(tar, job.removedFd, list, [{ offset: 0, length: removedBytes }])
  const changed = function* (): Generator<Outgoing> {
    for (const change of changesBetween(read(base), read(scan.index), since))
      if (change.kind === 'changed') yield change
      else if (change.kind === 'same' && isHardLinked(change.entry) && linked.has(change.entry.ino))
        yield { entry: change.entry, before: change.entry }
  }
  const { index, entries } = await writeEntries(tar, job, scan, changed())
  return { index, entries: entries + 1 }
}

interface Outgoing {
  readonly entry: TreeEntry
  /** What the base has under the same path. */
  readonly before: TreeEntry | null
}

const whole = function* (index: SavedIndex): Generator<Outgoing> {
  for (const entry of read(index)) yield { entry, before: null }
}

const writeEntries = async (
  tar: Pack,
  job: ArchiveJob,
  scan: Scan,
  outgoing: Iterable<Outgoing>,
): Promise<ArchiveResult> => {
  const source: EntrySource = { ...scan, roots: job.roots, firstNames: new Map() }
  const leftOut = new LeftOut(job.base)
  let entries = 0
  for (const { entry, before } of outgoing)
    if (!leftOut.covers(entry.path) && (await appendEntry(tar, source, entry))) entries += 1
    else {
      // The next delta looks again.
      scan.suspects.add(entry.ino)
      leftOut.add(entry, before)
    }
  tar.finalize()
  return { index: leftOut.correct(scan.index, source.firstNames), entries }
}

const REMOVED_LIST_ENTRY = {
  path: ARCHIVE_REMOVED_LIST,
  type: 'file',
  mode: 0o600,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
} as const

const read = (index: SavedIndex): Generator<TreeEntry> => readIndex(index.fd, index.lengthBytes)
