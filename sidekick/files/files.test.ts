import { mkdir, mkdtemp, readdir, readFile, symlink, writeFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileEntry } from '../protocol.ts'
import { StartedSidekick } from '../testing/sidekick.ts'

let sidekick: StartedSidekick
/** A folder outside every tree. */
let outside: string
beforeAll(async () => {
  sidekick = await StartedSidekick.open()
  outside = await mkdtemp(join(sidekick.folder, 'outside-'))
  await writeFile(join(outside, 'secret'), 'secret')
})
afterAll(() => sidekick?.stop())

const at = (path: string) => encodeURIComponent(path)
const put = (path: string, body: string | Buffer, query = '') =>
  sidekick.ask(`/v1/files/content?path=${at(path)}${query}`, { method: 'PUT', body })
const get = (path: string, headers?: Record<string, string>) =>
  sidekick.ask(`/v1/files/content?path=${at(path)}`, { ...(headers && { headers }) })

describe('files', () => {
  it('are written whole by rename, with the folders above them, and described', async () => {
    const answer = await put('a/b/ü c.txt', 'text', '&mode=640')
    expect(answer.status).toBe(200)
    expect(answer.json()).toMatchObject({
      path: join(sidekick.home, 'a/b/ü c.txt'),
      name: 'ü c.txt',
      type: 'file',
      sizeBytes: 4,
      mode: 0o640,
    })
    expect((await get('a/b/ü c.txt')).text).toBe('text')
    await put('a/b/ü c.txt', 'longer text')
    expect((await stat(join(sidekick.home, 'a/b/ü c.txt'))).mode & 0o777).toBe(0o640)
    expect(await readdir(join(sidekick.home, 'a/b'))).toEqual(['ü c.txt'])
  })

  it('are listed by name, links as links', async () => {
    await put('list/two', '22')
    await mkdir(join(sidekick.home, 'list/three'))
    await symlink('two', join(sidekick.home, 'list/one'))
    const listed = (await sidekick.ask('/v1/files?path=list')).json<FileEntry[]>()
    expect(listed.map(({ name, type, target }) => [name, type, target])).toEqual([
      ['one', 'symlink', 'two'],
      ['three', 'directory', undefined],
      ['two', 'file', undefined],
    ])
  })

  it('are read in ranges', async () => {
    await put('range', '0123456789')
    const range = async (header: string) => {
      const { status, text, headers } = await get('range', { range: header })
      return [status, text, headers['content-range']]
    }
    expect(await range('bytes=2-4')).toEqual([206, '234', 'bytes 2-4/10'])
    expect(await range('bytes=7-')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=-3')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=10-')).toEqual([416, '', 'bytes */10'])
    expect(await range('lines=1-2')).toEqual([200, '0123456789', undefined])
    await put('empty', '')
    expect([(await get('empty')).status, (await get('empty')).text]).toEqual([200, ''])
  })

  it('are written in place from an offset', async () => {
    await put('place', 'aaaaaa')
    await put('place', 'BB', '&offset=2')
    expect((await get('place')).text).toBe('aaBBaa')
    await put('new-place', 'x', '&offset=3')
    expect((await get('new-place')).bytes).toEqual(Buffer.from('\0\0\0x'))
  })

  it('of any size pass through without being held in memory', async () => {
    const big = Buffer.alloc(64 * 1024 * 1024, 'z')
    const rss = async () =>
      Number(
        /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${sidekick.child.pid}/status`, 'utf8'))![1],
      )
    const before = await rss()
    expect((await put('big', big)).json()).toMatchObject({ sizeBytes: big.length })
    expect((await get('big')).bytes.equals(big)).toBe(true)
    expect((await rss()) - before).toBeLessThan(48 * 1024)
  })

  it('leave nothing behind and keep the old content when an upload breaks off', async () => {
    await put('kept', 'old')
    const socket = connect({ path: sidekick.socket, rejectUnauthorized: false })
    socket.write(
      `PUT /v1/files/content?path=kept HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n` +
        `authorization: Bearer ${await sidekick.ticket('use')}\r\n\r\npart`,
    )
    await new Promise((done) => setTimeout(done, 150))
    socket.destroy()
    const left = async () =>
      (await readdir(sidekick.home)).filter((name) => name.startsWith('.dormouse'))
    await expect.poll(left, { timeout: 10_000 }).toEqual([])
    expect((await get('kept')).text).toBe('old')
  })

  it('are moved, made and removed', async () => {
    await put('m/from', 'x')
    await put('m/there', 'y')
    const move = (body: object) => sidekick.post('/v1/files/move', body)
    expect((await move({ from: 'm/from', to: 'm/there' })).status).toBe(409)
    expect((await move({ from: 'm/from', to: 'm/there', overwrite: true })).status).toBe(204)
    expect((await get('m/there')).text).toBe('x')
    expect((await move({ from: 'm/nothing', to: 'm/x' })).status).toBe(404)
    expect((await sidekick.post('/v1/files/mkdir', { path: 'm/deep/er' })).status).toBe(204)
    expect((await sidekick.post('/v1/files/mkdir', { path: 'm/deep/er' })).status).toBe(204)
    expect((await sidekick.post('/v1/files/mkdir', { path: 'm/there' })).status).toBe(409)
    expect((await move({ from: 'm/deep', to: 'm/deep/er/x' })).status).toBe(422)
    const remove = (path: string, query = '') =>
      sidekick.ask(`/v1/files?path=${path}${query}`, { method: 'DELETE' })
    expect((await remove('m')).status).toBe(409)
    expect((await remove('m', '&recursive=1')).status).toBe(204)
    expect((await remove('m')).status).toBe(404)
    expect((await remove(at(sidekick.home), '&recursive=1')).status).toBe(403)
  })
})

describe('confinement', () => {
  it('follows links inside the trees, relative and absolute, also between trees', async () => {
    await put('real/file', 'inside')
    await symlink('real', join(sidekick.home, 'relative'))
    await symlink(join(sidekick.home, 'real'), join(sidekick.home, 'absolute'))
    await symlink('../home/real/../real/file', join(sidekick.home, 'winding'))
    await writeFile(join(sidekick.env, 'tool'), 'tool')
    await symlink('../env/tool', join(sidekick.home, 'across'))
    for (const path of ['relative/file', 'absolute/file', 'winding'])
      expect((await get(path)).text).toBe('inside')
    expect((await get('across')).text).toBe('tool')
    await put('relative/new', 'through')
    expect(await readFile(join(sidekick.home, 'real/new'), 'utf8')).toBe('through')
  })

  it('removes a link and not what it points at', async () => {
    await put('target/file', 'x')
    await symlink('target', join(sidekick.home, 'link'))
    await sidekick.ask('/v1/files?path=link&recursive=1', { method: 'DELETE' })
    expect((await get('target/file')).status).toBe(200)
  })

  it('never leaves the trees: by dots, by links, by the process tree', async () => {
    await symlink(outside, join(sidekick.home, 'out'))
    await symlink(join(outside, 'secret'), join(sidekick.home, 'out-file'))
    await symlink('../../../../../../../etc', join(sidekick.home, 'etc'))
    await symlink('/proc/self', join(sidekick.home, 'proc'))
    for (const path of [
      '../outside',
      '/etc/passwd',
      '/proc/self/environ',
      join(outside, 'secret'),
      'out/secret',
      'out-file',
      'etc/passwd',
      'proc/environ',
      'proc/root/etc/passwd',
      `${sidekick.home}x/y`,
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 422])
      expect([path, (await put(path, 'x')).status]).toEqual([path, 422])
    }
    expect(await readdir(outside)).toEqual(['secret'])
    expect((await sidekick.ask('/v1/files?path=out')).status).toBe(422)
  })

  it('refuses NUL, double encoding, broken UTF-8 and over-long names with 422', async () => {
    for (const raw of [
      'a%00b',
      'a%252Fb',
      '..%252f..%252fetc',
      '%252e%252e/x',
      'a%255cb',
      '%c0%af',
      '%zz',
      'x'.repeat(256),
      'y/'.repeat(2500),
    ]) {
      const { status } = await sidekick.ask(`/v1/files/content?path=${raw}`)
      expect([raw.slice(0, 20), status]).toEqual([raw.slice(0, 20), 422])
    }
  })

  it('does not hang on a FIFO or a loop of links', async () => {
    await sidekick.exec('mkfifo pipe; ln -s loop loop')
    expect((await get('pipe')).status).toBe(422)
    expect((await put('pipe', 'x')).status).toBe(422)
    expect((await get('loop')).status).toBe(422)
  })
})
