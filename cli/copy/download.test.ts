import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openClient } from '../../sdk/client.ts'
import { noAuth } from '../../sdk/http.ts'
import { download } from './download.ts'

/** A compute answers as it likes, also about what it was asked for. */
describe('what a hostile compute says it holds', () => {
  let root: string
  let compute: Server
  let claims: { path: string; type: 'file' | 'directory' }
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'dormouse-copy-'))
    compute = createServer((request, response) => {
      const isStat = new URL(request.url ?? '', 'http://x').pathname.endsWith('/stat')
      if (isStat) response.setHeader('content-type', 'application/json')
      response.end(isStat ? JSON.stringify({ size: 4, mode: 0o600, ...claims }) : 'evil')
    }).listen(0, '127.0.0.1')
    await once(compute, 'listening')
  })
  afterEach(async () => {
    compute.close()
    compute.closeAllConnections()
    await rm(root, { recursive: true })
  })
  const copy = (source: string, target: string) => {
    const origin = `http://127.0.0.1:${(compute.address() as AddressInfo).port}`
    const client = openClient({ apiOrigin: origin, gatewayOrigin: origin, auth: noAuth })
    return download(client, 'c', source, target, () => {})
  }

  it('gets the name that the user spelled', async () => {
    claims = { path: '/home/user/.bashrc', type: 'file' }
    expect(await copy('results.csv', root)).toBe(path.join(root, 'results.csv'))
    expect(await readdir(root)).toEqual(['results.csv'])
    expect(await readFile(path.join(root, 'results.csv'), 'utf8')).toBe('evil')
  })

  it('is no folder at the other end of a link that lies where it would go', async () => {
    claims = { path: '/home/user/results', type: 'directory' }
    await symlink('/nowhere', path.join(root, 'results'))
    await expect(copy('results', root)).rejects.toThrow('is a link on this machine')
  })
})
