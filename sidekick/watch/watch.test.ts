import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { WebSocket } from 'ws'
import type { WatchMessage } from '../protocol.ts'
import { StartedSidekick } from '../testing/sidekick.ts'
import { Flood } from './flood.ts'

let sidekick: StartedSidekick
const sockets: WebSocket[] = []
beforeAll(async () => {
  sidekick = await StartedSidekick.open()
})
afterEach(() => sockets.splice(0).forEach((socket) => socket.terminate()))
afterAll(() => sidekick?.stop())

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** What a client believes: the last kind told of every path, and whether it was told to list again. */
const watch = async (path: string, recursive = true) => {
  const socket = await sidekick.webSocket(
    `/v1/files/watch?path=${path}&recursive=${recursive ? 1 : 0}`,
  )
  sockets.push(socket)
  const last = new Map<string, string>()
  const seen = { ready: false, overflows: 0, last }
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as WatchMessage
    if (message.type === 'ready') seen.ready = true
    else if (message.type === 'overflow') seen.overflows += 1
    else for (const { path: changed, kind } of message.changes) last.set(changed, kind)
  })
  const until = async (holds: () => boolean, what: string, withinMs = 20_000) => {
    for (const deadline = Date.now() + withinMs; !holds(); await wait(10))
      if (Date.now() > deadline)
        throw new Error(`no ${what}: ${JSON.stringify([...last].slice(-5))}`)
  }
  await until(() => seen.ready, 'ready')
  return { ...seen, seen, last, until }
}
const inHome = (...names: string[]) => join(sidekick.home, ...names)

describe('watching', () => {
  it('tells of files made, changed, renamed and removed, in folders made meanwhile too', async () => {
    await mkdir(inHome('w/old'), { recursive: true })
    const { last, until } = await watch('w')
    await writeFile(inHome('w/old/file'), '1')
    await until(() => last.get(inHome('w/old/file')) === 'changed', 'change')
    await mkdir(inHome('w/new/deep'), { recursive: true })
    await writeFile(inHome('w/new/deep/file'), '1')
    await until(() => last.get(inHome('w/new/deep/file')) === 'changed', 'change in a new folder')
    last.clear()
    await writeFile(inHome('w/new/deep/file'), '2')
    await until(() => last.get(inHome('w/new/deep/file')) === 'changed', 'second change')
    await rename(inHome('w/new'), inHome('w/moved'))
    await until(() => last.get(inHome('w/new')) === 'removed', 'removal of the old name')
    await until(() => last.get(inHome('w/moved/deep/file')) === 'changed', 'the new name')
    last.clear()
    await writeFile(inHome('w/moved/deep/file'), '3')
    await until(() => last.get(inHome('w/moved/deep/file')) === 'changed', 'change after a move')
    await rm(inHome('w/moved'), { recursive: true })
    await until(() => last.get(inHome('w/moved')) === 'removed', 'removal')
  })

  it('sees a folder that was removed and made again under the same name', async () => {
    await mkdir(inHome('again/x'), { recursive: true })
    const { last, until } = await watch('again')
    for (let round = 0; round < 5; round += 1) {
      await rm(inHome('again/x'), { recursive: true })
      await mkdir(inHome('again/x'))
      await wait(120)
      last.clear()
      await writeFile(inHome(`again/x/file${round}`), '')
      await until(() => last.get(inHome(`again/x/file${round}`)) === 'changed', `change ${round}`)
    }
  })

  it('of one folder stays in that folder, and shows no half-written upload', async () => {
    await mkdir(inHome('flat/inner'), { recursive: true })
    const { last, until } = await watch('flat', false)
    await writeFile(inHome('flat/inner/file'), '')
    await sidekick.ask('/v1/files/content?path=flat/up', { method: 'PUT', body: 'x' })
    await until(() => last.get(inHome('flat/up')) === 'changed', 'upload')
    await wait(100)
    expect([...last.keys()].filter((path) => path.includes('.dormouse'))).toEqual([])
    expect(last.has(inHome('flat/inner/file'))).toBe(false)
  })

  it('10,000 changes within a second lose no final state', async () => {
    await mkdir(inHome('many'), { recursive: true })
    const { seen, last, until } = await watch('many')
    const program = `
      import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
      for (let i = 0; i < 10000; i++) {
        const folder = 'many/d' + (i % 10)
        if (i < 10) mkdirSync(folder)
        writeFileSync(folder + '/f' + i, 'x')
        if (i % 3 === 0) rmSync(folder + '/f' + i)
      }`
    await writeFile(inHome('many.mjs'), program)
    await sidekick.exec([process.execPath, 'many.mjs'])
    await wait(1500)
    const paths = (await readdir(inHome('many'), { recursive: true })).map((name) =>
      inHome('many', name),
    )
    const believed = () => [...last].filter(([, kind]) => kind === 'changed').map(([path]) => path)
    const relists = () => seen.overflows > 0
    await until(() => relists() || believed().length >= paths.length, 'final state')
    // After an overflow the client lists again, and so believes what is there.
    expect((relists() ? paths : believed()).sort()).toEqual([...paths].sort())
    // Listing again or not, what happens after the flood is told as before.
    await writeFile(inHome('many/d3/after'), '')
    await until(() => last.get(inHome('many/d3/after')) === 'changed', 'change after the flood')
  }, 120_000)

  it('does not follow a link out of the tree, and refuses what is no folder', async () => {
    await mkdir(join(sidekick.folder, 'elsewhere'))
    await mkdir(inHome('links'))
    await symlink(join(sidekick.folder, 'elsewhere'), inHome('links/out'))
    const { last, until } = await watch('links')
    await writeFile(join(sidekick.folder, 'elsewhere/file'), '')
    await writeFile(inHome('links/mark'), '')
    await until(() => last.has(inHome('links/mark')), 'mark')
    expect([...last.keys()].filter((path) => path.includes('out/'))).toEqual([])
    const refused = await sidekick.webSocket('/v1/files/watch?path=links/mark')
    refused.on('error', () => {})
    const status = await new Promise((done) =>
      refused.on('unexpected-response', (_request, response) => done(response.statusCode)),
    )
    expect(status).toBe(422)
  })
})

describe('a flood of events', () => {
  it('is seen by how many come in one turn of the loop', async () => {
    let floods = 0
    const flood = new Flood(() => (floods += 1), 100)
    for (let i = 0; i < 49; i += 1) flood.count()
    await new Promise((done) => setImmediate(done))
    expect(floods).toBe(0)
    for (let i = 0; i < 50; i += 1) flood.count()
    await new Promise((done) => setImmediate(done))
    expect(floods).toBe(1)
  })
})
