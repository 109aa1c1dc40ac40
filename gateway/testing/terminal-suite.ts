import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { newId } from '../../records/ids.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { startRealSidekick } from './real-sidekick.ts'
import { openShellClient } from './shell-client.ts'
import { floodSlowReaders, killWhileTyping, stayAway, type Stage } from './terminal-runs.ts'
import { makeWorld, type Person, type World } from './world.ts'

export interface Figures {
  readonly killsForMs: number
  readonly killEveryMs: number
  readonly lines: number
  readonly awayMs: number
  readonly slowReaders: number
  readonly floodForMs: number
}

/** G1, G2 and G3 of the fault catalogue; the short and the whole run differ in figures alone. */
export const describeTerminals = (figures: Figures): void => {
  let world: World
  let ann: Person
  let stage: Stage

  beforeAll(async () => {
    world = await makeWorld()
    ann = await world.person()
    const computeId = newId()
    const sidekick = await startRealSidekick(world.keys, computeId)
    await world.compute(ann, { id: computeId, state: 'running', endpoint: sidekick.endpoint })
    // A key outlives the longest run, an access token does not.
    const token = await world.apiKey(ann)
    const gateway = await startGatewayProcess(world.gatewayEnv)
    stage = { port: world.port, computeId, token, gateway, sidekick }
  })
  afterAll(async () => {
    await stage?.gateway.close()
    await stage?.sidekick.close()
    await world?.close()
  })

  describe('a terminal through the gateway', () => {
    it('shows every line once and runs every command once while gateways are killed (G1)', async () => {
      const { lines, killsForMs, killEveryMs } = figures
      const perSecond = Math.round(lines / (killsForMs / 1_000))
      const run = await killWhileTyping(stage, { lines, perSecond, killEveryMs })
      expect(run.kills).toBeGreaterThanOrEqual(Math.floor(killsForMs / killEveryMs / 3))
      expect(run.attaches).toBe(run.kills + 1)
      expect(run.truncated).toEqual([])
      expect(run.lines).toEqual(Array.from({ length: lines }, (_, index) => index + 1))
      const each = Array.from({ length: run.typed }, (_, index) => index + 1)
      expect(run.logged).toEqual(each)
      expect(run.ran).toEqual(each)
    })

    const away = `${figures.awayMs / 1_000} s`
    it(`replays what was printed in ${away} of absence, and says how many bytes are gone when that is more than is kept (G2)`, async () => {
      const { awayMs } = figures
      const [kept, over] = await Promise.all([
        stayAway(stage, { terminalId: 'g2-kept', awayMs, bytes: 100_000 }),
        stayAway(stage, { terminalId: 'g2-over', awayMs, bytes: 2 << 20 }),
      ])
      for (const run of [kept, over]) expect(run.shownWhileAway).toBe(0)
      const upTo = (last: number, first = 1) =>
        Array.from({ length: last - first + 1 }, (_, index) => first + index)
      expect(kept.truncated).toEqual([])
      expect(kept.seen).toEqual(upTo(kept.lines))
      expect(kept.shown).toBe(kept.end)

      expect(over.truncated.length).toBe(1)
      const [gap] = over.truncated
      expect(gap?.from).toBe(over.before)
      const lost = (gap?.to ?? 0) - (gap?.from ?? 0)
      expect(lost).toBeGreaterThan(1 << 20)
      expect(over.shown + lost).toBe(over.end)
      expect(over.seen).toEqual(upTo(over.lines, over.seen[0]))
    })

    it.each([false, true])(
      'holds little for readers that are slow (G3), lying: %s',
      async (lie) => {
        const readers = figures.slowReaders
        const run = await floodSlowReaders(stage, {
          readers,
          forMs: figures.floodForMs,
          bytesPerSecond: 10_000,
          lie,
        })
        expect(run.received).toBeGreaterThan(readers * 64_000)
        expect(run.gatewayGrowthBytes).toBeLessThan(readers * 2 * 1024 * 1024)
      },
    )

    it('is told of hibernation by its own code, and of nothing else by it', async () => {
      const shell = await openShellClient({ ...stage, terminalId: 'last' })
      shell.type('echo still-$((1+1))\n')
      await shell.sees(/still-2/)
      const socket = new WebSocket(
        `ws://127.0.0.1:${stage.port}/compute/${stage.computeId}/terminal?id=drain`,
        ['dormouse.terminal.v1'],
        { headers: { authorization: `Bearer ${stage.token}` } },
      )
      await new Promise((resolve) => socket.once('open', resolve))
      const drained = new Promise((resolve) => socket.once('close', resolve))
      expect(await stage.gateway.terminate()).toBe(0)
      expect(await drained).toBe(1012)
      await stage.gateway.start()
      shell.type('echo again-$((1+1))\n')
      await shell.sees(/again-2/)
      await stage.sidekick.control('/v1/freeze', { epoch: 1, leaseMs: 30_000 })
      await stage.sidekick.control('/v1/retire')
      const deadline = Date.now() + 20_000
      while (shell.status.state !== 'hibernated' && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 20))
      expect(shell.status.state).toBe('hibernated')
    })
  })
}
