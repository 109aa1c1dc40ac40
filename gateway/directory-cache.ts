import type { DirectoryEntry } from '../records/directory.ts'

export interface Directory {
  /** At most `maxAgeMs` old; `fresh` asks the database now. undefined: no such compute. */
  find(computeId: string, fresh?: boolean): Promise<DirectoryEntry | undefined>
  forget(computeId: string): void
}

const MAX_AGE_MS = 1_000
const MAX_ENTRIES = 10_000

/** Remembers what was found for a second, so that a page of a hundred requests is one read. Absence is not remembered. */
export const createDirectory = (
  read: (computeId: string) => Promise<DirectoryEntry | undefined>,
  maxAgeMs = MAX_AGE_MS,
): Directory => {
  const known = new Map<
    string,
    { readonly at: number; readonly entry: Promise<DirectoryEntry | undefined> }
  >()
  return {
    find(computeId, fresh = false) {
      const hit = known.get(computeId)
      if (!fresh && hit !== undefined && performance.now() - hit.at < maxAgeMs) return hit.entry
      const entry = read(computeId)
      const remembered = { at: performance.now(), entry }
      known.delete(computeId)
      known.set(computeId, remembered)
      const forget = () => {
        if (known.get(computeId) === remembered) known.delete(computeId)
      }
      entry.then((found) => found === undefined && forget(), forget)
      const [oldest] = known.keys()
      if (known.size > MAX_ENTRIES && oldest !== undefined) known.delete(oldest)
      return entry
    },
    forget: (computeId) => void known.delete(computeId),
  }
}
