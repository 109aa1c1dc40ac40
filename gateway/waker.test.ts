import { afterAll, beforeAll, expect, it } from 'vitest'
import type { DirectoryEntry } from '../records/directory.ts'
import { startWakeDesk } from './testing/wake-desk.ts'
import { createWaker } from './waker.ts'

let desk: Awaited<ReturnType<typeof startWakeDesk>>
beforeAll(async () => {
  desk = await startWakeDesk()
})
afterAll(() => desk.close())

it('a gateway that waits longer than the API may be asked to asks for what it may', async () => {
  const awake = {
    computeId: 'c',
    state: 'running',
    endpoint: { address: { kind: 'unix', path: '/s' }, fingerprint: 'f' },
  } as unknown as DirectoryEntry
  const apiOrigin = `http://127.0.0.1:${desk.port}`
  const waker = createWaker({
    directory: { find: async () => awake, forget: () => {} },
    apiUrl: apiOrigin,
    apiOrigin,
    waitMs: 180_000,
  })
  await waker.wake('c', ['authorization', 'Bearer t'])
  expect(desk.asked.map(({ path }) => path)).toEqual(['/api/computes/c/wake?wait=60'])
})
