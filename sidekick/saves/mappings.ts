import { lstatSync, readdirSync, readFileSync } from 'node:fs'

/**
 * Inodes that some process has mapped shared and writable. A store into a page that is already
 * dirty leaves no trace in ctime, so such files are never taken for unchanged.
 */
export const writableMappings = (): ReadonlySet<bigint> => {
  const inodes = new Set<bigint>()
  const paths = new Set<string>()
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const [, inode, path] of mapsOf(pid).matchAll(SHARED_WRITABLE)) {
      if (inode !== undefined && inode !== '0') inodes.add(BigInt(inode))
      if (path !== undefined) paths.add(path)
    }
  }
  // Stacked filesystems show another inode here than lstat does.
  for (const path of paths) {
    const inode = inodeOf(path)
    if (inode !== null) inodes.add(inode)
  }
  return inodes
}

const SHARED_WRITABLE = /^[0-9a-f]+-[0-9a-f]+ .w.s [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ (\d+) +(\/.*)?$/gm

const mapsOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'latin1')
  } catch {
    return '' // it ended, or is not ours
  }
}

const inodeOf = (path: string): bigint | null => {
  try {
    return lstatSync(Buffer.from(path, 'latin1'), { bigint: true }).ino
  } catch {
    return null
  }
}
