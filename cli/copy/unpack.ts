import { constants, type Stats } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Writable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import { CliError, EXIT } from '../exit-codes.ts'
import { shown, tell } from '../output.ts'
import { confined } from './place.ts'

/**
 * Takes a tar stream and makes the folder `root` of it; `finished` when everything stands. The stream may be
 * hostile: below `root` nothing is written or read through a link, whether it came along or was there before.
 * A link in the way of a folder, and a folder in the way of anything else, is an error that names it.
 */
export const unpackFolder = (root: string): { input: Writable; finished: Promise<void> } => {
  const archive = extract()
  const finished = (async () => {
    const tree = new Tree(root)
    // The iterator must stand before the first byte comes, or the first entries are lost.
    const entries = archive[Symbol.asyncIterator]()
    await mkdir(root, { recursive: true })
    for await (const entry of { [Symbol.asyncIterator]: () => entries }) {
      await tree.add(entry.header, entry as AsyncIterable<Uint8Array>)
      entry.resume()
    }
    await tree.finish()
  })()
  // Its streams are Node's in all but type.
  return { input: archive as unknown as Writable, finished }
}

class Tree {
  readonly #root: string
  /** Seen to be folders and no links. They stay that: nothing here removes a folder. */
  readonly #folders: Set<string>
  readonly #modes: (() => Promise<void>)[] = []
  readonly #copies: { readonly from: string; readonly place: string }[] = []
  readonly #links = new Map<string, string>()

  constructor(root: string) {
    this.#root = root
    this.#folders = new Set([root])
  }

  async add(header: Header, body: AsyncIterable<Uint8Array>): Promise<void> {
    const place = confined(this.#root, header.name)
    const mode = (header.mode ?? 0o644) & 0o777
    // Of two entries of one name the later counts.
    this.#links.delete(place)
    if (header.type === 'directory') {
      await this.#folder(place)
      this.#modes.unshift(() => chmod(place, mode))
    } else if (header.type === 'file' || header.type === 'contiguous-file') {
      await this.#clear(place)
      await writeFile(place, body, { mode, flag: 'wx' })
      if (header.mtime) await utimes(place, header.mtime, header.mtime)
      await chmod(place, mode)
    } else if (header.type === 'link') {
      this.#copies.push({ from: confined(this.#root, header.linkname ?? ''), place })
    } else if (header.type === 'symlink') {
      this.#links.set(place, header.linkname ?? '')
    } else tell(`Left out ${shown(header.name)}: a ${header.type}.`)
  }

  /** Links come when every file stands, and what closes folders comes last. */
  async finish(): Promise<void> {
    for (const { from, place } of this.#copies) await this.#copy(from, place)
    for (const [place, target] of this.#links) {
      await this.#clear(place)
      await symlink(target, place)
    }
    for (const setMode of this.#modes) await setMode()
  }

  /** A second name of a file becomes a copy; a second name of a link another link. */
  async #copy(from: string, place: string): Promise<void> {
    const target = this.#links.get(from)
    if (target !== undefined) return void this.#links.set(place, target)
    if (from !== this.#root) await this.#folder(path.dirname(from))
    const source = await look(from)
    if (!source?.isFile())
      throw refused(
        `The compute sent ${this.#name(place)} as another name of ${this.#name(from)}, which is ${source === undefined ? 'not there' : 'no file'}.`,
      )
    if (from === place) return
    await this.#clear(place)
    await copyFile(from, place, constants.COPYFILE_EXCL)
  }

  /** Makes it and what it is in; each of them must be a folder in its own place. */
  async #folder(place: string): Promise<void> {
    if (this.#folders.has(place)) return
    await this.#folder(path.dirname(place))
    const there = await look(place)
    if (there === undefined) await mkdir(place)
    else if (!there.isDirectory())
      throw refused(
        `${this.#name(place)} is a folder in the compute, and a ${there.isSymbolicLink() ? 'link' : 'file'} on this machine. Nothing is written through a link.`,
      )
    this.#folders.add(place)
  }

  /** So that a file or link can be made there: an old one goes, a folder does not. */
  async #clear(place: string): Promise<void> {
    if (place !== this.#root) await this.#folder(path.dirname(place))
    const there = await look(place)
    if (there?.isDirectory())
      throw refused(
        `${this.#name(place)} is a folder on this machine, and a file or link in the compute.`,
      )
    if (there !== undefined) await rm(place)
  }

  #name(place: string): string {
    return shown(path.relative(this.#root, place)) || '.'
  }
}

const refused = (message: string): CliError =>
  new CliError(
    EXIT.failure,
    message,
    'Remove it on this machine, or copy to a new folder. What came before it is there.',
  )

/** Of a link the link itself; undefined when nothing is there. */
const look = (place: string): Promise<Stats | undefined> =>
  lstat(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
