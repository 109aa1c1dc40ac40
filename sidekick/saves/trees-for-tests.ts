/** Real trees for the tests of this folder: made, saved, restored and compared byte by byte. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  unlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ArchiveJob, writeArchive } from './archive.ts'
import { readUserAttributes } from './libc.ts'
import { restorePart } from './restore.ts'
import type { SavedIndex } from './saved-index.ts'
import type { Caps } from './scan.ts'
import { locator, type TreeName, type TreeRoots } from './tree-path.ts'
import { walkTrees } from './walk.ts'

export const WIDE_CAPS: Caps = { maxBytes: 10 * 1024 ** 3, maxEntries: 1_000_000 }
const BOTH: readonly TreeName[] = ['home', 'env']

const folders: string[] = []

export const makeFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'dormouse-saves-'))
  folders.push(folder)
  return folder
}

/** Folders without w or x stop fs.rm. */
export const removeFolders = (): void => {
  for (const folder of folders.splice(0)) {
    spawnSync('chmod', ['-R', 'u+rwx', folder], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }
}

export const makeRoots = (): TreeRoots => {
  const folder = makeFolder()
  const roots = { home: join(folder, 'home'), env: join(folder, 'env') }
  mkdirSync(roots.home)
  mkdirSync(roots.env)
  return roots
}

export const openUnlinked = (): number => {
  const path = join(makeFolder(), 'index')
  const fd = openSync(path, 'w+')
  unlinkSync(path)
  return fd
}

export interface TakenSave {
  readonly kind: 'full' | 'delta'
  readonly bytes: Buffer
  readonly entries: number
  readonly index: SavedIndex
}

let saves = 0

export const takeSave = async (
  roots: TreeRoots,
  base: SavedIndex | null = null,
  options: Partial<ArchiveJob> & { readonly onBegin?: () => void } = {},
): Promise<TakenSave> => {
  const chunks: Buffer[] = []
  let kind: 'full' | 'delta' = 'full'
  const removedFd = openUnlinked()
  const { index, entries } = await writeArchive(
    {
      saveId: `save-${++saves}`,
      base,
      roots,
      trees: BOTH,
      caps: WIDE_CAPS,
      indexFd: openUnlinked(),
      removedFd,
      ...options,
    },
    {
      begin: (now) => {
        kind = now
        options.onBegin?.()
      },
      write: (chunk) => Promise.resolve(void chunks.push(Buffer.from(chunk))),
    },
  )
  closeSync(removedFd)
  return { kind, bytes: Buffer.concat(chunks), entries, index }
}

export const putBack = async (
  roots: TreeRoots,
  parts: readonly Buffer[],
  caps = WIDE_CAPS,
): Promise<number> => {
  let entries = 0
  for (const [index, part] of parts.entries())
    entries += await restorePart({ roots, index, caps }, inPieces(part))
  return entries
}

export async function* inPieces(bytes: Buffer, size = 64 * 1024): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** One line per entry with all that a save promises to keep; equal lists are equal trees. */
export const portrait = (
  roots: TreeRoots,
  trees: readonly TreeName[] = BOTH,
): readonly string[] => {
  const locate = locator(roots)
  const firstOf = new Map<bigint, string>()
  const lines: string[] = []
  for (const entry of walkTrees({ roots, trees })) {
    const where = locate(entry.path)
    const first = firstOf.get(entry.ino) ?? entry.path
    firstOf.set(entry.ino, first)
    const content =
      entry.type === 'file'
        ? sha256(where)
        : entry.type === 'symlink'
          ? readlinkSync(where, { encoding: 'latin1' })
          : ''
    const attributes = [...(readUserAttributes(where) ?? [])]
      .map(([name, value]) => `${name}=${value.toString('hex')}`)
      .sort()
    lines.push(
      [
        JSON.stringify(entry.path),
        entry.type,
        entry.mode.toString(8),
        entry.uid,
        entry.gid,
        entry.size,
        entry.mtimeNs,
        entry.type === 'directory' ? '' : `first:${JSON.stringify(first)}`,
        content,
        ...attributes,
      ].join(' '),
    )
  }
  return lines
}

const sha256 = (where: Buffer): string =>
  createHash('sha256').update(readFileSync(where)).digest('hex')

export const allocatedBytes = (path: string): number => lstatSync(path).blocks * 512
