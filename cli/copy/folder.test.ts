import { lstat, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
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

  it('from a hostile compute writes nothing through a link it brought along', async () => {
    const outside = path.join(root, 'outside')
    await mkdir(outside)
    const archive = pack()
    archive.entry({ name: 'door', type: 'symlink', linkname: outside })
    archive.entry({ name: 'door/planted' }, 'evil')
    archive.finalize()
    const { input, finished } = unpackFolder(path.join(root, 'to'))
    await Promise.allSettled([send(archive, input), finished])
    await expect(lstat(path.join(outside, 'planted'))).rejects.toThrow('ENOENT')
  })
})
