import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stack } from '../support/stack.ts'
import type { TreeSize, Visitor } from '../support/visitor.ts'

export interface Cycles extends TreeSize {
  readonly cycles: number
  readonly by: 'request' | 'idle timer'
}

/** Hibernate and wake, a new change each time, every byte and attribute as before. D1, D2. */
export const keepsEveryFile = async (visitor: Visitor, p: Cycles): Promise<void> => {
  const { client } = visitor
  const idle = p.by === 'idle timer' ? { idle_timeout: 2 } : {}
  const { id } = await client.computes.create({ name: `cycles by ${p.by}`, ...idle }, { wait: 60 })
  await visitor.makeTree(id, { ...p, seed: 'first' })
  for (let cycle = 0; cycle < p.cycles; cycle++) {
    await visitor.run(
      id,
      [
        `mkdir -p tree/cycle-${cycle} && echo ${cycle} > tree/cycle-${cycle}/new`,
        `printf ${cycle} | dd of=tree/contiguous bs=1 seek=${1000 * cycle} conv=notrunc 2>/dev/null`,
        cycle > 0 ? `mv tree/cycle-${cycle - 1} tree/moved-${cycle - 1}` : 'true',
        `rm -f tree/many/${cycle}/f${cycle}`,
      ].join(' && '),
    )
    const before = await visitor.hashTree(id)
    if (p.by === 'request') await client.computes.hibernate(id, { wait: 60 })
    await visitor.until(id, 'hibernated', 120_000)
    await client.computes.wake(id, { wait: 60 })
    expect(await visitor.hashTree(id), `cycle ${cycle}`).toBe(before)
  }
  await client.computes.remove(id, { wait: 60, purge: true })
}

/** What a writer was told is on disk is there after the wake, and no line is torn. D3. */
export const keepsAcknowledgedWrites = async (visitor: Visitor, rounds: number): Promise<void> => {
  const { client } = visitor
  const { id } = await client.computes.create({ name: 'writer' }, { wait: 60 })
  const writer = `const fs=require('fs');const fd=fs.openSync('counter','a');let n=Number(process.argv[1]);
    for(;;){n++;fs.writeSync(fd,n+'\\n');fs.fsyncSync(fd);console.log(n)}`
  let last = 0
  for (let round = 0; round < rounds; round++) {
    let acknowledged = last
    const watching = new AbortController()
    let partial = ''
    const writing = client
      .exec(
        id,
        { command: ['/.dormouse/node', '-e', writer, String(last)], timeoutMs: 0 },
        {
          signal: watching.signal,
          onStdout: (bytes) => {
            const lines = (partial + Buffer.from(bytes).toString()).split('\n')
            partial = lines.pop() ?? ''
            acknowledged = Number(lines.at(-1) ?? acknowledged)
          },
        },
      )
      .catch(() => undefined)
    await expect.poll(() => acknowledged, { timeout: 20_000 }).toBeGreaterThan(last + 20)
    await client.computes.hibernate(id, { wait: 60 })
    await visitor.until(id, 'hibernated', 60_000)
    watching.abort()
    await writing
    await client.computes.wake(id, { wait: 60 })
    const lines = (await visitor.run(id, 'cat counter')).trimEnd().split('\n')
    expect(Number(lines.at(-1))).toBeGreaterThanOrEqual(acknowledged)
    expect(lines.every((line, index) => Number(line) === index + 1)).toBe(true)
    last = Number(lines.at(-1))
  }
  await client.computes.remove(id, { wait: 60, purge: true })
}

/**
 * Workers killed at random moments while several computes save at once: each wake gives the whole tree
 * as it was, never a mix. Counts the saves that a kill met. D4.
 */
export const survivesKilledSaves = async (
  stack: Stack,
  visitor: Visitor,
  p: TreeSize & { readonly kills: number; readonly atOnce: number },
): Promise<{ savesMet: number }> => {
  const { client, insist } = visitor
  const ids = await Promise.all(
    Array.from({ length: p.atOnce }, async (_, n) => {
      const { id } = await client.computes.create({ name: `killed saves ${n}` }, { wait: 60 })
      await visitor.makeTree(id, { ...p, seed: `killed ${n}` })
      return id
    }),
  )
  let savesMet = 0
  for (let kill = 0; kill < p.kills; kill++) {
    const before = new Map<string, string>()
    for (const id of ids) {
      await visitor.run(
        id,
        `echo ${kill} > tree/kill-${kill}; head -c 3000000 /dev/urandom > tree/noise`,
      )
      before.set(id, await visitor.hashTree(id))
    }
    const asked = Promise.all(
      ids.map((id) => insist(() => client.computes.hibernate(id, { wait: 60 }), 180_000)),
    )
    asked.catch(() => undefined)
    await sleep(Math.random() * 1_000)
    savesMet += await savingNow(stack, ids)
    const service = kill % 3 === 2 ? 'worker' : 'data-worker'
    await stack.kill(service)
    await stack.start(service)
    await asked
    for (const id of ids) {
      await visitor.until(id, 'hibernated', 180_000)
      await insist(() => client.computes.wake(id, { wait: 60 }))
      await visitor.until(id, 'running', 120_000)
      expect(await visitor.hashTree(id), `kill ${kill}`).toBe(before.get(id))
    }
  }
  expect(savesMet, 'some kills must meet a save').toBeGreaterThan(0)
  for (const id of ids) await client.computes.remove(id, { wait: 60, purge: true })
  return { savesMet }
}

const savingNow = async (stack: Stack, ids: readonly string[]): Promise<number> => {
  const rows = await stack.db
    .selectFrom('computes')
    .select('id')
    .where('id', 'in', [...ids])
    .where('state', '=', 'hibernating')
    .execute()
  return rows.length
}
