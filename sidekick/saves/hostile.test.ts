import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Header, pack } from 'tar-stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { restorePart } from './restore.ts'
import type { Caps } from './scan.ts'
import type { TreeRoots } from './tree-path.ts'
import { makeRoots, putBack, removeFolders, WIDE_CAPS } from './trees-for-tests.ts'
import { compressor } from './zstd.ts'

let roots: TreeRoots
let outside: string

beforeEach(() => {
  roots = makeRoots()
  outside = join(roots.home, '..', 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'victim'), 'untouched')
})
afterEach(() => {
  expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('untouched')
  expect(readdirSync(outside)).toEqual(['victim'])
  expect(readdirSync(join(roots.home, '..')).sort()).toEqual(['env', 'home', 'outside'])
  removeFolders()
})

type Entry = Partial<Header> & { readonly name: string; readonly content?: string | Buffer }

const tarOf = (entries: readonly Entry[]): Promise<Buffer> => {
  const tar = pack()
  for (const { content = '', ...header } of entries)
    if (header.type && !/file/.test(header.type)) tar.entry(header)
    else tar.entry(header, content)
  tar.finalize()
  return collected(tar as unknown as AsyncIterable<Buffer>)
}
const collected = async (chunks: AsyncIterable<Buffer>): Promise<Buffer> => {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}
const squeezed = async (tar: Buffer): Promise<Buffer> => {
  let all: Buffer = Buffer.alloc(0)
  await pipeline(Readable.from([tar]), compressor(), async (chunks: AsyncIterable<Buffer>) => {
    all = await collected(chunks)
  })
  return all
}
const restored = async (entries: readonly Entry[], caps: Caps = WIDE_CAPS): Promise<number> =>
  putBack(roots, [await squeezed(await tarOf(entries))], caps)
const refused = async (entries: readonly Entry[], code = 'invalid', caps?: Caps): Promise<void> => {
  await expect(restored(entries, caps)).rejects.toMatchObject({ code })
}

const home: Entry = { name: 'home', type: 'directory' }
const file = (name: string): Entry => ({ name, content: 'planted' })

test.each([
  ['an absolute path', '/etc/planted'],
  ['an absolute path in a tree', '/home/planted'],
  ['dots that lead out', 'home/../../outside/planted'],
  ['dots that stay', 'home/x/../planted'],
  ['a leading dot', './home/planted'],
  ['dots at the end', 'home/..'],
  ['an empty component', 'home//planted'],
  ['another tree', 'tmp/planted'],
  ['nothing', ''],
  ['our own folder', '.dormouse/planted'],
  ['a tree that begins alike', 'homer/planted'],
])('%s is refused', async (_, name) => {
  await refused([home, file(name)])
})

test('a NUL in a name is refused', async () => {
  await refused([home, { ...file('home/x'), pax: { 'DORMOUSE.path': base64('home/a\0b') } }])
  await refused([
    home,
    { name: 'home/l', type: 'symlink', linkname: 'x', pax: { 'DORMOUSE.linkpath': base64('\0') } },
  ])
})

test.each(['../../outside/planted', '/home/x', 'home/../env/x', 'tmp/x', ''])(
  'our own record of a path is no way around: %j',
  async (path) => {
    await refused([home, { ...file('home/x'), pax: { 'DORMOUSE.path': base64(path) } }])
    await refused([home, { ...file('home/x'), pax: { path } }])
  },
)

test('an entry behind a link that an earlier entry planted is refused', async () => {
  await refused([
    home,
    { name: 'home/l', type: 'symlink', linkname: outside },
    file('home/l/planted'),
  ])
})

test('folders that no entry brought are made, for the owner alone, and count as entries', async () => {
  await restored([
    home,
    file('home/a/b/file'),
    { name: 'home/c/d', type: 'directory', mode: 0o755 },
  ])
  expect(readFileSync(join(roots.home, 'a', 'b', 'file'), 'utf8')).toBe('planted')
  for (const made of ['a', 'a/b', 'c'])
    expect(statSync(join(roots.home, made)).mode & 0o777).toBe(0o700)
  expect(statSync(join(roots.home, 'c', 'd')).mode & 0o777).toBe(0o755)
  const deep = file(`home/${'d/'.repeat(20)}file`)
  await refused([home, deep], 'too_large', { maxBytes: 1000, maxEntries: 10 })
})

test.each([
  ['a link', 'home/l/new/planted'],
  ['a link that leads nowhere', 'home/n/new/planted'],
  ['a file', 'home/f/new/planted'],
])('no folder is made behind %s', async (_, name) => {
  const before = [
    home,
    { name: 'home/l', type: 'symlink', linkname: outside },
    { name: 'home/n', type: 'symlink', linkname: join(outside, 'absent') },
    file('home/f'),
  ] as const
  await refused([...before, file(name)])
  await refused([...before, { name, type: 'directory' }])
  await refused([...before, { name, type: 'symlink', linkname: 'x' }])
  await refused([...before, { name, type: 'link', linkname: 'home/f' }])
})

test('neither a target of a link nor a removal makes folders', async () => {
  await refused([home, { name: 'home/h', type: 'link', linkname: 'home/absent/file' }])
  const full = await squeezed(await tarOf([home]))
  await putBack(roots, [full, await squeezed(await tarOf([removals(['"home/absent/file"'])]))])
  expect(readdirSync(roots.home)).toEqual([])
})

test('a chain of links is refused', async () => {
  await refused([
    home,
    { name: 'home/one', type: 'symlink', linkname: '..' },
    { name: 'home/two', type: 'symlink', linkname: 'one/outside' },
    file('home/two/planted'),
  ])
})

test('a folder that an entry turns into a link is looked at again', async () => {
  await refused([
    home,
    { name: 'home/d', type: 'directory' },
    file('home/d/first'),
    { name: 'home/d', type: 'symlink', linkname: outside },
    file('home/d/victim'),
  ])
})

test('a file over a link replaces the link, not what it points to', async () => {
  await restored([
    home,
    { name: 'home/l', type: 'symlink', linkname: join(outside, 'victim') },
    file('home/l'),
  ])
  expect(readFileSync(join(roots.home, 'l'), 'utf8')).toBe('planted')
})

test('a hard link through a link is refused, and one to a link links the link', async () => {
  await refused([
    home,
    { name: 'home/l', type: 'symlink', linkname: outside },
    { name: 'home/h', type: 'link', linkname: 'home/l/victim' },
  ])
  await restored([
    home,
    { name: 'home/l', type: 'symlink', linkname: join(outside, 'victim') },
    { name: 'home/h', type: 'link', linkname: 'home/l' },
    file('home/h'),
  ])
})

test.each(['../outside/victim', '/etc/passwd', 'home/../../outside/victim', 'home/absent', 'home'])(
  'a hard link to %j is refused',
  async (linkname) => {
    await refused([home, { name: 'home/h', type: 'link', linkname }])
  },
)

test('writing a file of two names changes only the one that is written', async () => {
  await restored([
    home,
    { name: 'home/one', content: 'first' },
    { name: 'home/two', type: 'link', linkname: 'home/one' },
    { name: 'home/two', content: 'second' },
  ])
  expect(readFileSync(join(roots.home, 'one'), 'utf8')).toBe('first')
})

test.each(['character-device', 'block-device', 'contiguous-file'] as const)(
  'an entry of type %s is refused',
  async (type) => {
    await refused([home, { name: 'home/x', type, devmajor: 1, devminor: 3 }])
  },
)

test('a tree cannot be replaced by a file or a link', async () => {
  await refused([{ name: 'home', content: 'x' }])
  await refused([{ name: 'home', type: 'symlink', linkname: outside }])
  await refused([home, { name: 'home', type: 'link', linkname: 'env' }])
})

test('links into the trees from before the restore are gone when it begins', async () => {
  symlinkSync(outside, join(roots.home, 'd'))
  await restored([home, { name: 'home/d', type: 'directory' }, file('home/d/planted')])
})

test('more bytes or entries than the cap are refused, holes count', async () => {
  await refused([home, { name: 'home/x', content: Buffer.alloc(2000) }], 'too_large', {
    maxBytes: 1000,
    maxEntries: 10,
  })
  await refused([home, ...Array.from({ length: 20 }, (_, i) => file(`home/${i}`))], 'too_large', {
    maxBytes: 1e6,
    maxEntries: 10,
  })
  await refused([home, sparse(10 ** 15, '1\n0\n1\n', 'x')], 'too_large')
})

test('a kilobyte of stream that unpacks to gigabytes stops at the cap', async () => {
  const startedAt = performance.now()
  const bomb = await squeezed(
    await tarOf([home, { name: 'home/x', content: Buffer.alloc(64 * 1024 * 1024) }]),
  )
  expect(bomb.length).toBeLessThan(20_000)
  await expect(
    putBack(roots, [bomb], { maxBytes: 1024 * 1024, maxEntries: 10 }),
  ).rejects.toMatchObject({ code: 'too_large' })
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test.each([
  ['segments that overlap', '2\n0\n10\n5\n10\n', 'x'.repeat(20)],
  ['segments beyond the end', '1\n90\n20\n', 'x'.repeat(20)],
  ['no number', 'x\n', ''],
  ['a negative number', '1\n-5\n5\n', 'xxxxx'],
  ['a number without end', '9'.repeat(600), ''],
  ['a million segments', '1000000\n', ''],
  ['less data than announced', '1\n0\n50\n', 'x'],
  ['more data than announced', '1\n0\n1\n', 'xxxxx'],
])('a sparse map with %s is refused', async (_, map, data) => {
  await refused([home, sparse(100, map, data)])
})

test('a header that is no tar header is refused', async () => {
  await expect(putBack(roots, [await squeezed(Buffer.alloc(2048, 'junk'))])).rejects.toMatchObject({
    code: 'invalid',
  })
})

test('a header with a negative or impossible size is refused', async () => {
  for (const size of ['-1', 'abc', '99999999999999999999', '1e400'])
    await refused([home, { ...file('home/x'), pax: { size } }])
})

test('damage ends the restore at once, also when the sender waits for it to read on', async () => {
  const noise = randomBytes(3 * 1024 * 1024)
  const sound = await squeezed(await tarOf([home, { name: 'home/noise', content: noise }]))
  const flipped = Buffer.from(sound)
  flipped.fill(0, 0, 4)
  const over = await squeezed(await tarOf([home, { name: 'home/x', content: noise }]))
  for (const [bytes, caps, code] of [
    [flipped, WIDE_CAPS, 'invalid'],
    [over, { maxBytes: 1000, maxEntries: 10 }, 'too_large'],
  ] as const) {
    const stalled = async function* (): AsyncGenerator<Buffer> {
      yield bytes.subarray(0, 2_500_000)
      await new Promise(() => {})
    }
    await expect(restorePart({ roots, index: 0, caps }, stalled())).rejects.toMatchObject({ code })
  }
})

test('an archive that ends before its end marker, at the edge of an entry, is refused', async () => {
  const tar = await tarOf([home, file('home/x')])
  await expect(putBack(roots, [await squeezed(tar.subarray(0, -1024))])).rejects.toMatchObject({
    code: 'invalid',
  })
  await expect(putBack(roots, [await squeezed(Buffer.alloc(0))])).rejects.toMatchObject({
    code: 'invalid',
  })
})

test.each([
  ['["../../outside/victim"', ['"../../outside/victim"']],
  ['an absolute path', ['"/etc/passwd"']],
  ['a whole tree', ['"home"']],
  ['no JSON', ['{"base64":']],
])('a list of removals that names %s is refused', async (_, lines) => {
  const full = await squeezed(await tarOf([home, file('home/kept')]))
  const delta = await squeezed(await tarOf([removals(lines)]))
  await expect(putBack(roots, [full, delta])).rejects.toMatchObject({ code: 'invalid' })
})

test('a removal behind a link removes nothing', async () => {
  const full = await squeezed(
    await tarOf([home, { name: 'home/l', type: 'symlink', linkname: outside }]),
  )
  await putBack(roots, [full, await squeezed(await tarOf([removals(['"home/l/victim"'])]))])
})

test('a list of removals that is cut short is refused', async () => {
  const full = await squeezed(await tarOf([home]))
  const cut = {
    name: '.dormouse/delta.json',
    content: '{"version":1,"base":"b","removed":[\n"home/x"\n',
  }
  await expect(putBack(roots, [full, await squeezed(await tarOf([cut]))])).rejects.toMatchObject({
    code: 'invalid',
  })
})

test('attributes other than the user’s own are not set, poisoned names do nothing', async () => {
  await restored([
    home,
    {
      ...file('home/x'),
      pax: {
        'LIBARCHIVE.xattr.security.capability': base64('\x01\0\0\x02'),
        'LIBARCHIVE.xattr.trusted.overlay.opaque': base64('y'),
        'LIBARCHIVE.xattr.%E0%A4%A': base64('y'),
        __proto__: 'x',
        constructor: 'x',
      },
    },
  ])
  expect(existsSync(join(roots.home, 'x'))).toBe(true)
  expect(({} as Record<string, unknown>)['x']).toBeUndefined()
})

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64')

const sparse = (realSize: number, map: string, data: string): Entry => {
  const padded = Buffer.alloc(Math.ceil(map.length / 512) * 512)
  padded.write(map)
  return {
    name: 'home/sparse',
    content: Buffer.concat([padded, Buffer.from(data)]),
    pax: {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.realsize': String(realSize),
    },
  }
}

const removals = (lines: readonly string[]): Entry => ({
  name: '.dormouse/delta.json',
  content: `{"version":1,"base":"b","removed":[\n${lines.join('\n,')}\n]}\n`,
})
