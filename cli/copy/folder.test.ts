import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { pack, type Pack } from 'tar-stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { packFolder } from './pack.ts'
import { unpackFolder } from './unpack.ts'

const send = async (archive: Pack, input: Writable): Promise<void> => {
  for await (const bytes of archive) if (!input.write(bytes)) await once(input, 'drain')
  input.end()
}

describe('a folder', () => {
  let root: string
  beforeEach(async () => void (root = await mkdtemp(path.join(tmpdir(), 'dormouse-copy-'))))
  afterEach(() => rm(root, { recursive: true }))

  it('arrives with names, modes, links and empty files as they were', async () => {
    const from = path.join(root, 'from')
    await mkdir(path.join(from, 'deep/empty'), { recursive: true })
    await writeFile(path.join(from, 'deep/run.sh'), '#!/bin/sh\n', { mode: 0o755 })
    await writeFile(path.join(from, 'ünï cödé'), '')
    await writeFile(path.join(from, 'big'), Buffer.alloc(3_000_000, 7))
    await symlink('deep/run.sh', path.join(from, 'link'))
    const to = path.join(root, 'to')
    const { input, finished } = unpackFolder(to)
    await send(packFolder(from), input)
    await finished
    expect((await lstat(path.join(to, 'deep/run.sh'))).mode & 0o777).toBe(0o755)
    expect((await readFile(path.join(to, 'big'))).equals(Buffer.alloc(3_000_000, 7))).toBe(true)
    expect(await readFile(path.join(to, 'ünï cödé'), 'utf8')).toBe('')
    expect(await readlink(path.join(to, 'link'))).toBe('deep/run.sh')
    expect((await lstat(path.join(to, 'deep/empty'))).isDirectory()).toBe(true)
  })

  describe('from a hostile compute', () => {
    let to: string
    let outside: string
    beforeEach(async () => {
      ;[to, outside] = [path.join(root, 'to'), path.join(root, 'outside')]
      await mkdir(outside)
      await writeFile(path.join(outside, 'kept'), 'secret')
    })
    /** Undefined, or why it was refused. */
    const receive = async (...entries: (Parameters<Pack['entry']>[0] & { content?: string })[]) => {
      const archive = pack()
      for (const { content, ...header } of entries) archive.entry(header, content ?? '')
      archive.finalize()
      const { input, finished } = unpackFolder(to)
      const [, end] = await Promise.allSettled([
        Promise.race([send(archive, input), finished]),
        finished,
      ])
      return end.status === 'rejected' ? (end.reason as Error).message : undefined
    }
    const untouched = async () => {
      expect(await readdir(outside)).toEqual(['kept'])
      expect(await readFile(path.join(outside, 'kept'), 'utf8')).toBe('secret')
    }

    it('nothing is written through a link that came along, whatever comes first', async () => {
      const door = { name: 'door', type: 'symlink', linkname: outside } as const
      const file = { name: 'door/planted', content: 'evil' }
      const second = { name: 'door/planted', type: 'link', linkname: 'payload' } as const
      const payload = { name: 'payload', content: 'evil' }
      const over = { name: 'door/kept', type: 'link', linkname: 'payload' } as const
      for (const entries of [
        [door, file],
        [file, door],
        [payload, door, second],
        [payload, second, door],
        [payload, door, over],
        [door, { ...door, name: 'door/link' }],
      ]) {
        expect(await receive(...entries)).toContain('door is a folder')
        await untouched()
        await rm(to, { recursive: true })
      }
    })

    it('nothing is written through a link that an earlier copy brought', async () => {
      const links = [
        { name: 'door', type: 'symlink', linkname: outside },
        { name: 'file', type: 'symlink', linkname: path.join(outside, 'kept') },
        { name: 'new', type: 'symlink', linkname: path.join(outside, 'new') },
      ] as const
      expect(await receive(...links)).toBeUndefined()
      for (const entry of [
        { name: 'door/kept', content: 'evil' },
        { name: 'door/', type: 'directory' },
        { name: 'door/deep/er/', type: 'directory', mode: 0 },
        { name: 'door/link', type: 'symlink', linkname: 'x' },
      ] as const) {
        expect(await receive(entry)).toContain('door is a folder in the compute, and a link')
        await untouched()
      }
      // What is no folder takes a link's place, as with every other tool.
      const payload = { name: 'payload', content: 'mine' }
      const second = { name: 'new', type: 'link', linkname: 'payload' } as const
      expect(await receive({ name: 'file', content: 'mine' }, payload, second)).toBeUndefined()
      for (const name of ['file', 'new'])
        expect(await readFile(path.join(to, name), 'utf8')).toBe('mine')
      await untouched()
    })

    it('nothing is read through a link, as the other name of a file', async () => {
      await receive({ name: 'door', type: 'symlink', linkname: outside })
      await receive({ name: 'file', type: 'symlink', linkname: path.join(outside, 'kept') })
      for (const linkname of ['door/kept', 'file', '.', 'door', 'nothing'])
        expect(await receive({ name: 'stolen', type: 'link', linkname })).toBeDefined()
      expect((await readdir(to)).sort()).toEqual(['door', 'file'])
    })

    it('a folder is never removed, and the root is one', async () => {
      await receive({ name: 'folder/mine', content: 'kept' })
      for (const header of [
        { name: 'folder', type: 'symlink', linkname: outside },
        { name: 'folder', content: 'evil' },
        { name: '.', type: 'symlink', linkname: outside },
        { name: '.', content: 'evil' },
      ] as const)
        expect(await receive(header)).toContain('is a folder on this machine')
      expect(await readFile(path.join(to, 'folder/mine'), 'utf8')).toBe('kept')
    })
  })

  it('brings second names of files and of links, also into a folder closed to writing', async () => {
    const archive = pack()
    archive.entry({ name: 'closed/', type: 'directory', mode: 0o555 })
    archive.entry({ name: 'first' }, 'text')
    archive.entry({ name: 'closed/second', type: 'link', linkname: './first' })
    archive.entry({ name: 'closed/link', type: 'symlink', linkname: '../first' })
    archive.entry({ name: 'again', type: 'link', linkname: 'closed/link' })
    archive.finalize()
    const to = path.join(root, 'to')
    const { input, finished } = unpackFolder(to)
    await send(archive, input)
    await finished
    expect(await readFile(path.join(to, 'closed/second'), 'utf8')).toBe('text')
    expect(await readlink(path.join(to, 'closed/link'))).toBe('../first')
    expect(await readlink(path.join(to, 'again'))).toBe('../first')
    expect((await lstat(path.join(to, 'closed'))).mode & 0o777).toBe(0o555)
  })
})
