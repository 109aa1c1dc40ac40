/**
 * Puts the parts of a save back, in order: part 0 the whole tree, each further one a delta. What
 * comes in may be hostile; nothing is ever written outside the trees (see confined.ts), and a
 * stream that is cut short, altered or over the caps is an error. Runs on a thread of its own.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { extract, type Extract } from 'tar-stream'
import { errno, Failure } from '../errors.ts'
import { ARCHIVE_REMOVED_LIST } from '../protocol.ts'
import { entryOfHeader } from './entry-header.ts'
import { readRemovedList } from './removed-list.ts'
import { EntryWriter } from './restore-entry.ts'
import type { Caps } from './scan.ts'
import { bytesOf, fromText, TREE_NAMES, type TreeRoots } from './tree-path.ts'
import { SCRATCH_FOLDERS } from './walk.ts'
import { decompressor } from './zstd.ts'

export interface RestoreJob {
  readonly roots: TreeRoots
  readonly index: number
  readonly caps: Caps
}

/**
 * Returns the number of tar entries in the part. Errors: invalid (hostile, cut short or altered),
 * too_large, no_space. After an error the trees are unfinished: only part 0 can follow.
 */
export const restorePart = async (
  job: RestoreJob,
  compressed: AsyncIterable<Buffer>,
): Promise<number> => {
  const writer = new EntryWriter(job.roots, job.caps)
  if (job.index === 0) emptyTrees(writer, job.roots)
  const ending = new EndOfTar()
  const untar = extract()
  const reading = pipeline(
    compressed,
    decompressor(),
    (content: AsyncIterable<Buffer>) => ending.watch(content),
    untar as unknown as NodeJS.WritableStream,
  )
  reading.catch(() => {}) // awaited below; the entries stop first
  try {
    const entries = await writeAll(untar, writer, job.index)
    await reading
    ending.check()
    writer.finish()
    return entries
  } catch (error) {
    untar.destroy()
    // Not awaited to its end: it may stand at a sender that stopped because we stopped reading.
    const cause: unknown = await Promise.race([
      reading.then(
        () => error,
        (failure: unknown) => failure,
      ),
      setImmediate(error),
    ])
    throw named(error instanceof Failure || isSystem(error) ? error : cause)
  }
}

const writeAll = async (untar: Extract, writer: EntryWriter, index: number): Promise<number> => {
  let entries = 0
  for await (const source of untar) {
    const content = source as unknown as AsyncIterable<Buffer>
    if (source.header.name === ARCHIVE_REMOVED_LIST && entries === 0 && index > 0)
      for await (const path of readRemovedList(content)) writer.remove(path)
    else await writer.write(entryOfHeader(source.header), content)
    entries += 1
  }
  return entries
}

/** Folders that are declared scratch stay: no archive would bring them back. */
const emptyTrees = (writer: EntryWriter, roots: TreeRoots): void => {
  for (const tree of TREE_NAMES) {
    const root = bytesOf(fromText(roots[tree]))
    mkdirSync(root, { recursive: true })
    for (const name of readdirSync(root, { encoding: 'latin1' }))
      if (!SCRATCH_FOLDERS.has(`${tree}/${name}`)) writer.remove(`${tree}/${name}`)
  }
}

/** A tar ends in two blocks of zeros; without them it was cut at the edge of an entry. */
class EndOfTar {
  #tail: Buffer = Buffer.alloc(0)

  async *watch(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of content) {
      this.#tail =
        chunk.length >= END_BYTES
          ? Buffer.from(chunk.subarray(-END_BYTES))
          : Buffer.concat([this.#tail, chunk]).subarray(-END_BYTES)
      yield chunk
    }
  }

  check(): void {
    if (this.#tail.length < END_BYTES || this.#tail.some((byte) => byte !== 0))
      throw new Failure('invalid', 'The archive ends before its end marker.')
  }
}

const END_BYTES = 1024

const isNoSpace = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(errno(error))

const named = (error: unknown): unknown => {
  if (error instanceof Failure) return error
  if (isNoSpace(error))
    return new Failure('no_space', 'The disk of the compute is too small for its files.')
  if (isSystem(error)) return error
  const why = error instanceof Error ? error.message : String(error)
  return new Failure('invalid', `The archive cannot be read: ${why}`)
}

/** Zlib's begin with Z_ or ZSTD_, Node's with ERR_. */
const isSystem = (error: unknown): boolean => /^E[A-Z0-9]+$/.test(errno(error))
