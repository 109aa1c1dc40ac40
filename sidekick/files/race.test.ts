import { mkdtemp, readdir, readFile, writeFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { StartedSidekick } from '../testing/sidekick.ts'

const PATIENCE_MS = 60_000
const RACE_MS = 11_000

let sidekick: StartedSidekick
let outside: string
beforeAll(async () => {
  sidekick = await StartedSidekick.open()
  outside = await mkdtemp(join(sidekick.folder, 'outside-'))
  await mkdir(join(outside, 'deep'))
  await writeFile(join(outside, 'file'), 'SECRET')
  await writeFile(join(outside, 'deep/file'), 'SECRET')
})
afterAll(() => sidekick?.stop())

/** Swaps a folder for a link that leads outside, and back, by rename: there is always one of them. */
const swapper = (out: string) => `
import { mkdirSync, symlinkSync, renameSync, writeFileSync, rmSync } from 'node:fs'
// Long enough to be met, short enough to change under who met it.
const stay = () => { for (const until = performance.now() + Math.random() * 2; performance.now() < until; ); }
for (const end = Date.now() + ${RACE_MS + PATIENCE_MS}; Date.now() < end; ) {
  try {
    mkdirSync('d1/deep', { recursive: true })
    writeFileSync('d1/file', 'inside'); writeFileSync('d1/deep/file', 'inside')
    symlinkSync(${JSON.stringify(out)}, 'l1')
    for (let i = 0; i < 200; i++) {
      renameSync('d1', 'swap'); stay(); renameSync('swap', 'd1')
      renameSync('l1', 'swap'); stay(); renameSync('swap', 'l1')
    }
    rmSync('d1', { recursive: true }); rmSync('l1')
  } catch { rmSync('d1', { recursive: true, force: true }); rmSync('l1', { force: true }); rmSync('swap', { recursive: true, force: true }) }
}`

it(
  'a folder swapped for a link in a loop never lets a read, write, list or remove outside',
  { timeout: RACE_MS + PATIENCE_MS + 20_000 },
  async () => {
    await writeFile(join(sidekick.home, 'swapper.mjs'), swapper(outside))
    const node = process.execPath
    const started = await sidekick.post('/v1/commands', { command: [node, 'swapper.mjs'] })
    expect(started.status).toBe(201)
    const seen = new Map<number, number>()
    const count = ({ status }: { status: number }) => seen.set(status, (seen.get(status) ?? 0) + 1)
    const content = (path: string, method = 'GET', body?: string) =>
      sidekick.ask(`/v1/files/content?path=${path}`, { method, ...(body && { body }) })
    const attack = async (): Promise<void> => {
      for (const path of ['swap/file', 'swap/deep/file']) {
        const read = await content(path)
        count(read)
        expect(read.text).not.toContain('SECRET')
        count(await content(path.replace('file', 'written'), 'PUT', 'x'))
      }
      const listed = await sidekick.ask('/v1/files?path=swap')
      count(listed)
      count(await sidekick.post('/v1/files/mkdir', { path: 'swap/made' }))
      count(
        await sidekick.post('/v1/files/move', { from: 'swap/file', to: 'stolen', overwrite: true }),
      )
      const stolen = await content('stolen')
      expect(stolen.text).not.toContain('SECRET')
      count(await sidekick.ask('/v1/files?path=swap/deep&recursive=1', { method: 'DELETE' }))
    }
    const end = Date.now() + RACE_MS
    /** Folders were met, and links were met and refused: a busy machine may need longer for it. */
    const met = () => [200, 422].every((status) => (seen.get(status) ?? 0) > 10)
    const attacker = async () => {
      while (Date.now() < end || (!met() && Date.now() < end + PATIENCE_MS)) await attack()
    }
    await Promise.all([attacker(), attacker(), attacker(), attacker()])
    expect((await readdir(outside, { recursive: true })).sort()).toEqual([
      'deep',
      'deep/file',
      'file',
    ])
    expect(await readFile(join(outside, 'deep/file'), 'utf8')).toBe('SECRET')
    expect(met(), `no race, no test: ${JSON.stringify([...seen])}`).toBe(true)
  },
)
