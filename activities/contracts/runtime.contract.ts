/** What every runtime must do, said once; each adapter's suite calls it over the real thing. */
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../records/ids.ts'
import type { Runtime, SandboxSpec, SidekickAddress } from '../ports.ts'

export interface RuntimeUnderTest {
  readonly runtime: Runtime
  readonly image: SandboxSpec['image']
  /** A tree outlives its sandbox: else what a crash leaves is what was saved. */
  readonly keepsTrees: boolean
  /** The fastest of ten starts, from nothing to an answering sidekick, takes less. */
  readonly startsWithinMs: number
  /** The same place, seen by a process that was started later. */
  anotherProcess(): Runtime
  /** Ends the sandbox as a crash would, without the runtime's knowledge. */
  kill(computeId: string, generation: number): Promise<void>
  /** Writes a file into the home of the tree, and reads it. */
  writeHome(computeId: string, name: string, text: string): Promise<void>
  readHome(computeId: string, name: string): Promise<string | undefined>
  end(): Promise<void>
}

export const runtimeContract = (name: string, start: () => Promise<RuntimeUnderTest>): void => {
  describe(`runtime ${name}`, () => {
    let under: RuntimeUnderTest
    const newSpec = (): SandboxSpec => ({ ...anySpec(), image: under.image })
    beforeAll(async () => {
      under = await start()
    })
    afterAll(async () => {
      for (const sandbox of await under.runtime.list())
        await under.runtime.stop(sandbox, { keepTree: false })
      await under.end()
    })

    it('says that it can be used here', async () => {
      expect(await under.runtime.unavailable()).toBeNull()
    })

    it('starts a sandbox whose sidekick answers', async () => {
      const spec = newSpec()
      const { address, tree } = await under.runtime.ensure(spec)
      expect(tree).toBe('fresh')
      await answers(address)
      expect(await under.runtime.inspect(spec)).toBe('live')
    })

    it('asked twice, at once or after the answer was lost, has one sandbox', async () => {
      const spec = newSpec()
      const first = await Promise.all([
        under.runtime.ensure(spec),
        under.anotherProcess().ensure(spec),
        under.runtime.ensure(spec),
      ])
      const again = await under.anotherProcess().ensure(spec)
      expect(new Set([...first, again].map((one) => JSON.stringify(one))).size).toBe(1)
      expect(await ofCompute(under.runtime, spec)).toHaveLength(1)
    })

    it('outlives the process that started it', async () => {
      const spec = newSpec()
      await under.runtime.ensure(spec)
      expect(await under.anotherProcess().inspect(spec)).toBe('live')
    })

    it('has at most one generation up, and refuses one that is older', async () => {
      const spec = newSpec()
      await under.runtime.ensure(spec)
      await under.runtime.ensure({ ...spec, generation: 2 })
      expect(await under.runtime.inspect(spec)).toBe('gone')
      await expect(under.runtime.ensure(spec)).rejects.toMatchObject({ name: 'StaleGeneration' })
      expect(await under.runtime.inspect({ ...spec, generation: 2 })).toBe('live')
    })

    it("an unfinished tree is never the next generation's; a complete one is, where trees are kept", async () => {
      const spec = newSpec()
      await under.runtime.ensure(spec)
      await under.writeHome(spec.computeId, 'file', 'half')
      const second = await under.runtime.ensure({ ...spec, generation: 2 })
      expect(second.tree).toBe('fresh')
      expect(await under.readHome(spec.computeId, 'file')).toBeUndefined()
      await under.writeHome(spec.computeId, 'file', 'whole')
      await under.runtime.markTreeComplete({ ...spec, generation: 2 })
      await under.kill(spec.computeId, 2)
      expect(await under.runtime.inspect({ ...spec, generation: 2 })).toBe('gone')
      const third = await under.runtime.ensure({ ...spec, generation: 3 })
      expect(third.tree).toBe(under.keepsTrees ? 'kept' : 'fresh')
      const found = await under.readHome(spec.computeId, 'file')
      expect(found).toBe(under.keepsTrees ? 'whole' : undefined)
    })

    it('shows a crash as gone, and starts the next generation from what it says it has', async () => {
      const spec = newSpec()
      await under.runtime.ensure(spec)
      await under.writeHome(spec.computeId, 'file', 'of the first')
      await under.runtime.markTreeComplete(spec)
      await under.kill(spec.computeId, 1)
      expect(await under.runtime.inspect(spec)).toBe('gone')
      expect((await ofCompute(under.runtime, spec)).every(({ running }) => !running)).toBe(true)
      const { tree, address } = await under.runtime.ensure({ ...spec, generation: 2 })
      await answers(address)
      const found = await under.readHome(spec.computeId, 'file')
      expect([tree, found]).toEqual(
        under.keepsTrees ? ['kept', 'of the first'] : ['fresh', undefined],
      )
    })

    it('marks a tree complete only for the generation that has it', async () => {
      const spec = newSpec()
      await under.runtime.ensure({ ...spec, generation: 2 })
      await expect(under.runtime.markTreeComplete(spec)).rejects.toMatchObject({
        name: 'StaleGeneration',
      })
    })

    it('lists what is up, and where trees are kept those without processes', async () => {
      const spec = newSpec()
      await under.runtime.ensure(spec)
      await under.runtime.markTreeComplete(spec)
      const [live] = await ofCompute(under.runtime, spec)
      expect(live).toMatchObject({ generation: 1, groupId: spec.groupId, running: true })
      await under.runtime.stop(spec, { keepTree: true })
      const trees = await ofCompute(under.runtime, spec)
      const left = { generation: 1, groupId: spec.groupId, running: false }
      expect(trees).toMatchObject(under.keepsTrees ? [left] : [])
    })

    it('stopped, is gone with its tree; absent is fine, and a newer generation untouched', async () => {
      const spec = newSpec()
      await under.runtime.stop(spec, { keepTree: false })
      await under.runtime.ensure({ ...spec, generation: 2 })
      await under.runtime.stop(spec, { keepTree: false })
      expect(await under.runtime.inspect({ ...spec, generation: 2 })).toBe('live')
      await under.runtime.stop({ ...spec, generation: 2 }, { keepTree: false })
      await under.runtime.stop({ ...spec, generation: 2 }, { keepTree: false })
      expect(await ofCompute(under.runtime, spec)).toEqual([])
    })

    it('goes from nothing to an answering sidekick as fast as it says, ten times over', async () => {
      const took: number[] = []
      for (let round = 0; round < 10; round += 1) {
        const spec = newSpec()
        const startedAt = performance.now()
        const { address } = await under.runtime.ensure(spec)
        await answers(address)
        took.push(performance.now() - startedAt)
        await under.runtime.stop(spec, { keepTree: false })
      }
      took.sort((a, b) => a - b)
      console.log(
        `ensure to answer, fastest to slowest: ${took.map((ms) => ms.toFixed(0)).join(' ')} ms`,
      )
      expect(took[0]).toBeLessThan(under.startsWithinMs)
    })
  })
}

export const anySpec = (): Omit<SandboxSpec, 'image'> => ({
  computeId: newId(),
  generation: 1,
  groupId: newId(),
  network: 'none',
  cpuMillis: 500,
  memoryBytes: 512 * 1024 * 1024,
  pids: 128,
  treeBytes: 2 ** 30,
})

const ofCompute = async (runtime: Runtime, { computeId }: SandboxSpec) =>
  (await runtime.list()).filter((one) => one.computeId === computeId)

const answers = async (address: SidekickAddress): Promise<void> => {
  const giveUpAt = Date.now() + 20_000
  while (!(await connects(address))) {
    if (Date.now() > giveUpAt) throw new Error('no sidekick answers')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const connects = (address: SidekickAddress): Promise<boolean> =>
  new Promise((resolve) => {
    const to = address.kind === 'unix' ? { path: address.path } : address
    const socket = connect({ ...to, rejectUnauthorized: false }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
