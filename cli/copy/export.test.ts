import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportTo } from './export.ts'

describe('an archive', () => {
  let folder: string
  beforeEach(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'dormouse-export-'))))
  afterEach(() => rm(folder, { recursive: true }))

  const stream = (end: (to: ReadableStreamDefaultController<Uint8Array>) => void) => async () =>
    new ReadableStream<Uint8Array>({
      start: (to) => to.enqueue(new Uint8Array([1, 2, 3])),
      pull: end,
    })
  const nothing = () => {}

  it('has its name when it is whole', async () => {
    const file = path.join(folder, 'a.tar.zst')
    const totals: number[] = []
    const whole = stream((to) => to.close())
    expect(await exportTo(file, whole, (total) => totals.push(total))).toEqual({
      place: file,
      bytes: 3,
    })
    expect([...(await readFile(file))]).toEqual([1, 2, 3])
    expect(totals).toEqual([3])
  })

  it('that breaks off leaves nothing, and says so', async () => {
    const broken = stream((to) => to.error(new TypeError('terminated')))
    await expect(exportTo(path.join(folder, 'a'), broken, nothing)).rejects.toMatchObject({
      status: 0,
      message: expect.stringContaining('broke off'),
    })
    expect(await readdir(folder)).toEqual([])
  })

  it('that cannot be written is not said to have broken off', async () => {
    const endless = stream((to) => to.enqueue(new Uint8Array(1000)))
    await expect(exportTo(path.join(folder, 'no/a'), endless, nothing)).rejects.toMatchObject({
      exitCode: 1,
      message: `${path.join(folder, 'no/a')} cannot be written (ENOENT).`,
    })
  })
})
