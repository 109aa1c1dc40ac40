/**
 * Entries their owner cannot read (mode 0, folders without x) still belong into a save. Where a
 * call fails for that, the owner's bits are lent for the length of the call and taken back.
 */
import { chmodSync, lstatSync } from 'node:fs'
import { errno, Failure } from '../errors.ts'
import { displayOf, parentOf } from './tree-path.ts'

const OWNER_READ = 0o400
const OWNER_ALL = 0o700

export class LentAccess {
  readonly #locate: (path: string) => Buffer
  /** inode → its ctime after our last chmod: that change is ours and makes nothing dirty. */
  readonly quiet = new Map<bigint, bigint>()

  constructor(locate: (path: string) => Buffer) {
    this.#locate = locate
  }

  /** Runs `call`, if need be with `path` and the folders above it made accessible. Errors: forbidden. */
  run<T>(path: string, call: () => T): T {
    return this.#run(path, steps(path), call)
  }

  /** The same for a call that only needs the folders above: the entry itself stays as it is. */
  runBelow<T>(path: string, call: () => T): T {
    return this.#run(path, path.includes('/') ? steps(parentOf(path)) : [], call)
  }

  #run<T>(path: string, chain: readonly string[], call: () => T): T {
    try {
      return call()
    } catch (error) {
      if (errno(error) !== 'EACCES') throw error
      return this.#lend(path, chain, call)
    }
  }

  #lend<T>(path: string, chain: readonly string[], call: () => T): T {
    const lent: { readonly path: string; readonly mode: number }[] = []
    try {
      for (const step of chain) {
        const stat = lstatSync(this.#locate(step))
        if (stat.isSymbolicLink()) continue
        const needed = stat.isDirectory() ? OWNER_ALL : OWNER_READ
        if ((stat.mode & needed) === needed) continue
        chmodSync(this.#locate(step), (stat.mode & 0o7777) | needed)
        lent.push({ path: step, mode: stat.mode & 0o7777 })
      }
      return call()
    } catch (error) {
      if (errno(error) !== 'EACCES' && errno(error) !== 'EPERM') throw error
      throw new Failure('forbidden', `${displayOf(path)} belongs to another user: cannot be saved.`)
    } finally {
      // Deepest first: taking x from a folder locks out what is below it.
      for (const { path: step, mode } of lent.reverse()) {
        chmodSync(this.#locate(step), mode)
        const after = lstatSync(this.#locate(step), { bigint: true })
        this.quiet.set(after.ino, after.ctimeNs)
      }
    }
  }
}

/** `home/a/b` → `home`, `home/a`, `home/a/b`. */
const steps = (path: string): readonly string[] =>
  path.includes('/') ? [...steps(parentOf(path)), path] : [path]
