/** Random edits of a tree, for the property tests of this folder. */
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import fc from 'fast-check'
import { mkfifo, setMtimeNs, setUserAttribute } from './libc.ts'
import { bytesOf, fromText, type TreeRoots } from './tree-path.ts'

/** Few names, so that edits meet; each an awkward one: byte order, prefixes, bytes that are not UTF-8. */
const NAMES = ['a', 'a.b', 'a b', 'b\n', '\xc3\xbc', '\xff\xfe', 'z']

/** Edits of paths of these names, at most `depth` deep. */
export const editsOf = (names: readonly string[], depth: number) => {
  const path = fc
    .tuple(
      fc.constantFrom('home', 'env'),
      fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: depth }),
    )
    .map(([tree, below]) => [tree, ...below].join('/'))
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('write' as const), path, size: fc.nat(9000) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('append' as const), path }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('mkdir' as const), path }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('rename' as const), path, to: path }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('swap' as const), path, to: path }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('link' as const), path, to: path }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('symlink' as const), path, to: path }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fifo' as const), path }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), path }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('chmod' as const), path, mode: fc.nat(0o7777) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('touch' as const),
        path,
        ns: fc.bigInt(-(2n ** 60n), 2n ** 62n),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('sparse' as const), path, size: fc.nat(400_000) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('attribute' as const), path, value: fc.uint8Array() }),
    },
  )
}

export const edit = editsOf(NAMES, 3)
export type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never

/** What lies there may by now be a fifo, whose opening would wait for a reader for ever. */
const OPEN = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK
const WRITE = OPEN | constants.O_TRUNC
const APPEND = OPEN | constants.O_APPEND

/** Edits that the file system refuses are simply not made. */
export const attempt = (roots: TreeRoots, each: Edit, step: number): void => {
  try {
    apply(roots, each, step)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
  }
}

const apply = (roots: TreeRoots, each: Edit, step: number): void => {
  const at = (tree: string): Buffer =>
    bytesOf(tree.replace(/^(home|env)/, (name) => fromText(roots[name as 'home' | 'env'])))
  const where = at(each.path)
  switch (each.do) {
    case 'write':
      return writeWith(WRITE, where, `${step} `.repeat(each.size / 4))
    case 'append':
      return writeWith(APPEND, where, `+${step}`)
    case 'mkdir':
      return mkdirSync(where)
    case 'rename':
      return renameSync(where, at(each.to))
    case 'swap': {
      const aside = bytesOf(fromText(`${roots.home}/aside`))
      lstatSync(at(each.to))
      renameSync(where, aside)
      try {
        renameSync(at(each.to), where)
      } finally {
        renameSync(aside, exists(where) ? at(each.to) : where)
      }
      return
    }
    case 'link':
      return linkSync(where, at(each.to))
    case 'symlink':
      return symlinkSync(bytesOf(each.to), where)
    case 'fifo':
      return mkfifo(where, 0o600)
    case 'remove':
      return lstatSync(where).isDirectory() ? removeAll(where) : unlinkSync(where)
    case 'chmod':
      return lstatSync(where).isSymbolicLink() ? undefined : chmodSync(where, each.mode)
    case 'touch':
      return setMtimeNs(where, each.ns)
    case 'sparse':
      return lstatSync(where).isFile() ? truncateSync(where, each.size) : undefined
    case 'attribute':
      return lstatSync(where).isFile()
        ? setUserAttribute(where, 'user.a', Buffer.from(each.value))
        : undefined
  }
}

const writeWith = (flags: number, where: Buffer, text: string): void => {
  const fd = openSync(where, flags)
  try {
    writeFileSync(fd, text)
  } finally {
    closeSync(fd)
  }
}

const exists = (where: Buffer): boolean => {
  try {
    lstatSync(where)
    return true
  } catch {
    return false
  }
}

const removeAll = (where: Buffer): void => {
  for (const name of readdirSync(where, { encoding: 'buffer' })) {
    const inside = Buffer.concat([where, Buffer.from('/'), name])
    if (lstatSync(inside).isDirectory()) removeAll(inside)
    else unlinkSync(inside)
  }
  rmSync(where, { recursive: true })
}
