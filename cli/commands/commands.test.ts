import { Command } from 'commander'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { addCopyCommand } from './copy.ts'
import { addExecCommand } from './exec.ts'
import { addImageCommands } from './images.ts'
import { addLoginCommands } from './login.ts'
import { addTrashCommands } from './trash.ts'

const ID = 'abcdefghij0123456789'

/** Commands as they are typed, against a platform that answers what the test says. */
describe('a command', () => {
  let folder: string
  let platform: Server
  let origin: string
  let asked: string[]
  let out: string
  let answer: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'dormouse-commands-'))
    asked = []
    out = ''
    platform = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      void answer(request, response).then((body) => {
        if (body === undefined) return
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(body))
      })
    }).listen(0, '127.0.0.1')
    await once(platform, 'listening')
    origin = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`
    vi.stubEnv('DORMOUSE_API_KEY', 'k')
    vi.stubEnv('DORMOUSE_GATEWAY_URL', origin)
    vi.stubEnv('XDG_CONFIG_HOME', folder)
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    process.exitCode = undefined
    platform.closeAllConnections()
    platform.close()
    await rm(folder, { recursive: true })
  })

  const dormouse = (...args: string[]) => {
    const program = new Command().enablePositionalOptions().exitOverride()
    addCopyCommand(program)
    addExecCommand(program)
    addImageCommands(program)
    addLoginCommands(program)
    addTrashCommands(program)
    for (const command of [program, ...program.commands])
      command.option('--api <url>').option('--json')
    return program.parseAsync(['--api', origin, '--json', ...args], { from: 'user' })
  }
  const compute = (more: object = {}) => ({
    ...{ id: ID, name: 'dev', state: 'running', url: `${origin}/compute/${ID}`, problem: null },
    ...{ filesystem_id: 'f1', group_id: 'g1', image_id: 'i1', tier: 'basic', reason: 'user' },
    ...more,
  })

  it('that forks waits until the files are saved as they are now', async () => {
    let [looks, saves, pages] = [0, 0, 0]
    let wanted: object | undefined
    const published = { type: 'snapshot.published', state: null, cursor: 'c1', data: {} }
    answer = async (request) => {
      const url = request.url ?? ''
      // It is being saved for a sleep that something calls off.
      if (url === `/api/computes/${ID}`)
        return compute({ state: ++looks < 3 ? 'hibernating' : 'running' })
      if (url.includes('/events'))
        return { items: ++pages === 3 ? [published] : [], next_cursor: 'c0' }
      if (url.includes('/checkpoint')) return compute({ settled: ++saves === 2 })
      if (url === '/api/computes?wait=30') wanted = (await json(request)) as object
      return compute({ settled: true })
    }
    await dormouse('fork', ID)
    const lines = asked.map((line) => line.replace(/\?.*/, ''))
    expect(lines.filter((line) => !line.endsWith('/events'))).toEqual([
      ...Array.from({ length: 3 }, () => `GET /api/computes/${ID}`),
      ...Array.from({ length: 2 }, () => `POST /api/computes/${ID}/checkpoint`),
      'POST /api/computes',
    ])
    expect(wanted).toMatchObject({ from_filesystem: 'f1', image_name: 'i1', name: 'dev-fork' })
  })

  it('that forks makes nothing of a save that failed', async () => {
    const data = { problem: { code: 'StoreUnavailable', message: 'the store is away' } }
    answer = async (request) => {
      const url = request.url ?? ''
      if (url.includes('/events')) {
        const items = [{ type: 'compute.save_failed', state: null, cursor: 'c1', data }]
        return { items: url.includes('tail') ? [] : items, next_cursor: 'c0' }
      }
      return compute({ settled: !url.includes('/checkpoint') })
    }
    await expect(dormouse('fork', ID)).rejects.toMatchObject({
      code: 'StoreUnavailable',
      message: expect.stringContaining('the store is away'),
    })
    expect(asked.filter((line) => /^POST .api.computes(\?|$)/.test(line))).toEqual([])
  })

  it('that brings a deleted compute back asks for its own image, whatever has the name by now', async () => {
    let wanted: object | undefined
    const gone = compute({ state: 'terminated', image_name: 'tools', since: '2026-01-01' })
    answer = async (request) => {
      const url = request.url ?? ''
      if (url.startsWith('/api/trash'))
        return url.endsWith('restore') ? { id: 'f1' } : { items: [{ id: 'f1' }] }
      if (request.method === 'GET') return { items: [gone], next_cursor: null }
      wanted = (await json(request)) as object
      return compute({ settled: true })
    }
    await dormouse('undelete', 'dev')
    expect(wanted).toMatchObject({ image_name: 'i1', filesystem_id: 'f1', name: 'dev' })
  })

  it('that runs a program says where its own options stand, instead of looking for such a program', async () => {
    await expect(dormouse('exec', ID, '--timeout', '1s', 'make')).rejects.toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining(`dormouse exec --timeout … ${ID}`),
    })
    expect(asked).toEqual([])
  })

  it('that runs a line of shell with more behind it says how that was read', async () => {
    answer = async (request, response) => {
      if (request.url?.startsWith('/api')) return compute()
      const code = 'invalid'
      const message = 'There is no program "make test" in the compute.'
      return response.writeHead(400).end(JSON.stringify({ code, message })) && undefined
    }
    await expect(dormouse('exec', ID, 'make test', '--timeout', '1s')).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('no program "make test"'),
      hint: expect.stringMatching(/one alone, in quotes.* Options of exec stand before/),
    })
  })

  it('that logs out says so in JSON where that was asked for', async () => {
    await dormouse('logout')
    expect(JSON.parse(out)).toEqual({ loggedOut: true })
  })

  it('that copies a file that cannot be read says that, and not that nothing answers', async () => {
    answer = async (request, response) => {
      if (request.url?.startsWith('/api')) return compute()
      if (request.url?.includes('/stat'))
        return response.writeHead(404).end('{"code":"not_found"}') && undefined
      for await (const _ of request);
      return { path: '/home/user/mem' }
    }
    // A file like any other until it is read.
    await expect(dormouse('cp', '/proc/self/mem', `${ID}:mem`)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/^\/proc\/self\/mem cannot be read: .*EIO/),
    })
  })

  describe('that takes longer than Node lets a request take', () => {
    const before = getGlobalDispatcher()
    // In the place of its five minutes.
    beforeEach(() => setGlobalDispatcher(new Agent({ headersTimeout: 500, bodyTimeout: 500 })))
    afterEach(() => setGlobalDispatcher(before))

    it('hears of the end of a silent program', async () => {
      answer = async (request, response) => {
        if (request.url?.startsWith('/api')) return compute()
        response.writeHead(200).write('{"type":"start","id":"1","pid":7}\n')
        await sleep(3_000)
        response.end('{"type":"exit","exitCode":0,"signal":null,"timedOut":false}\n')
        return undefined
      }
      await dormouse('exec', ID, 'make')
      expect(JSON.parse(out)).toMatchObject({ exitCode: 0 })
    })

    it('uploads to the end', async () => {
      const file = path.join(folder, 'big')
      await writeFile(file, Buffer.alloc(4 << 20))
      let bytes = 0
      answer = async (request, response) => {
        if (request.url?.startsWith('/api')) return compute()
        if (request.url?.includes('/stat'))
          return response.writeHead(404).end('{"code":"not_found"}') && undefined
        for await (const chunk of request as AsyncIterable<Buffer>) {
          bytes += chunk.length
          await sleep(60)
        }
        return { path: '/home/user/big' }
      }
      await dormouse('cp', file, `${ID}:big`)
      expect(bytes).toBe(4 << 20)
    })
  })
})
