/** For suites: computes in every state, carried over a change of everything around them. */
import { expect } from 'vitest'
import { openShell, watchAway } from '../../../test/support/shell.ts'
import type { Visitor } from '../../../test/support/visitor.ts'
import { newId } from '../../../records/ids.ts'

export interface Carried {
  /** The longest time that the terminal was away, and how often. */
  readonly away: { readonly times: number; readonly longestMs: number }
  /** How many whole hibernations and wakes, and how many starts, the change met. */
  readonly moves: number
  readonly starts: number
}

const TREE = { smallFiles: 300, contiguousMib: 24 }
const IMAGE = 'docker.io/dormouse/nowhere:none'

export const openEveryState = async (visitor: Visitor) => {
  const { client, insist, until, run } = visitor
  const create = async () => (await client.computes.create({ tier: 'tiny' }, { wait: 60 })).id
  const [open, asleep, moving] = [await create(), await create(), await create()]
  const shell = await openShell(visitor, open)
  await shell.type('for n in $(seq 100000); do echo line-$n.; sleep 0.05; done\r')
  await shell.sees(/line-10\./)
  await run(asleep, 'echo kept > ~/file')
  await client.computes.hibernate(asleep, { wait: 60 })
  await visitor.makeTree(moving, { seed: moving, ...TREE })
  const hash = await visitor.hashTree(moving)
  const image_name = `nowhere-${newId()}`
  await client.images.create({ name: image_name, reference: IMAGE })
  const failed = (await client.computes.create({ tier: 'tiny', image_name })).id
  await until(failed, 'failed', 60_000)
  const all = [open, asleep, moving, failed]

  /** Makes the change while one compute hibernates and wakes and others start, all the time. */
  const carry = async (change: () => Promise<void>): Promise<Carried> => {
    const away = watchAway(shell)
    const over = new AbortController()
    const started: string[] = []
    const keepMoving = async (): Promise<number> => {
      for (let moves = 0; ; moves++) {
        await insist(() => client.computes.hibernate(moving, { wait: 60 }))
        await until(moving, 'hibernated', 90_000)
        await insist(() => client.computes.wake(moving, { wait: 60 }))
        await until(moving, 'running', 90_000)
        if (over.signal.aborted) return moves + 1
      }
    }
    const keepStarting = async (): Promise<void> => {
      do {
        const key = newId()
        const { id } = await insist(() => client.computes.create({ tier: 'tiny' }, { key }))
        started.push(id)
        await until(id, 'running', 90_000)
        if (started.length > 1)
          await insist(() => client.computes.remove(id, { wait: 60, purge: true }))
      } while (!over.signal.aborted)
    }
    const lives = Promise.all([keepMoving(), keepStarting()])
    await Promise.race([change(), lives])
    over.abort()
    const [moves] = await lives
    const result = away.stop()
    all.push(...started.slice(0, 1))
    return { away: result, moves, starts: started.length }
  }

  /** Everything as it was, and every workflow answers. */
  const holds = async (): Promise<void> => {
    const seen = shell.text().length
    await expect.poll(() => shell.text().length, { timeout: 10_000 }).toBeGreaterThan(seen)
    const lines = [...shell.text().matchAll(/line-(\d+)\./g)].map(([, n]) => Number(n))
    expect(lines).toEqual(lines.map((_, index) => index + 1))
    expect(await insist(() => client.computes.get(open))).toMatchObject({
      ...{ state: 'running', generation: 1 },
    })
    expect(await visitor.hashTree(moving)).toBe(hash)
    await insist(() => client.computes.wake(asleep, { wait: 60 }))
    expect(await run(asleep, 'cat ~/file')).toBe('kept\n')
    await insist(() => client.computes.hibernate(asleep, { wait: 60 }))
    const before = await insist(() => client.computes.get(failed))
    expect(before).toMatchObject({ state: 'failed', problem: { code: 'ImagePullFailed' } })
    await insist(() => client.computes.retry(failed))
    await expect
      .poll(async () => (await client.computes.get(failed)).since, { timeout: 30_000 })
      .not.toBe(before.since)
    await until(failed, 'failed', 60_000)
  }

  const end = async (): Promise<void> => {
    await shell.type('\x03')
    shell.detach()
    for (const id of all) await insist(() => client.computes.remove(id, { wait: 60, purge: true }))
    for (const id of all) await until(id, 'terminated', 90_000)
  }
  return { carry, holds, end, ids: all as readonly string[] }
}
