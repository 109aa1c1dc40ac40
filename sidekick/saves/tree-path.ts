/**
 * Paths inside the saved trees as byte strings: one character per byte (latin1), so that names
 * which are not UTF-8 survive and order is byte order. `home/a/b` is `<home>/a/b`; `home` its root.
 */
import { isUtf8 } from 'node:buffer'

export type TreeName = 'home' | 'env'
/** Where each tree lies, e.g. `{ home: '/home/user', env: '/opt/env' }`; absolute. */
export type TreeRoots = Readonly<Record<TreeName, string>>

export const TREE_NAMES: readonly TreeName[] = ['env', 'home']

export const bytesOf = (path: string): Buffer => Buffer.from(path, 'latin1')
export const fromBytes = (bytes: Buffer): string => bytes.toString('latin1')
export const fromText = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/** The text of a byte string, or null when its bytes are not UTF-8. */
export const textOf = (path: string): string | null => {
  if (isAscii(path)) return path
  const bytes = bytesOf(path)
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}

/** For people only: bytes that are not UTF-8 become U+FFFD. */
export const displayOf = (path: string): string => bytesOf(path).toString('utf8')

const ASCII = /^[\x00-\x7f]*$/
const isAscii = (path: string): boolean => ASCII.test(path)

/** Order of a sorted walk: component by component, each by bytes; a folder stands before what is in it. */
export const compareTreePaths = (a: string, b: string): number => {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    if (x === SLASH) return -1
    if (y === SLASH) return 1
    return x - y
  }
  return a.length - b.length
}

const SLASH = 0x2f

export const isInside = (path: string, folder: string): boolean =>
  path.length > folder.length && path.charCodeAt(folder.length) === SLASH && path.startsWith(folder)

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))

/** The tree a path belongs to; null when it is in none. */
export const treeOf = (path: string): TreeName | null => {
  const first = path.split('/', 1)[0]
  return first === 'home' || first === 'env' ? first : null
}

/** Turns tree paths into what system calls take. */
export const locator = (roots: TreeRoots): ((path: string) => Buffer) => {
  const root = { home: fromText(roots.home), env: fromText(roots.env) }
  return (path) => {
    const tree = treeOf(path)
    if (tree === null) throw new RangeError(`${displayOf(path)} lies in no tree`)
    return bytesOf(root[tree] + path.slice(tree.length))
  }
}

/**
 * Takes a path found in an archive, which may be hostile: only `<tree>/name/name`, no empty, `.` or
 * `..` component, no NUL. Returns null when it is anything else.
 */
export const checkedTreePath = (path: string): string | null => {
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path
  if (trimmed.includes('\0') || treeOf(trimmed) === null) return null
  const sound = trimmed.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  return sound ? trimmed : null
}
