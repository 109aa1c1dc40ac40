import { expect } from 'vitest'
import { isProblem } from '../../sdk/problem.ts'
import type { Visitor } from '../support/visitor.ts'

const LEGAL = [0, 409] as const

/** n wakes, hibernates and deletes at once in all pairs: legal answers only, and a resting end. R8. */
export const answersLegallyUnderRaces = async (visitor: Visitor, atOnce: number): Promise<void> => {
  const { client } = visitor
  const commands = {
    wake: (id: string) => client.computes.wake(id, { wait: 60 }),
    hibernate: (id: string) => client.computes.hibernate(id, { wait: 60 }),
    remove: (id: string) => client.computes.remove(id, { wait: 60, purge: true }),
  }
  const names = Object.keys(commands) as (keyof typeof commands)[]
  const pairs = names.flatMap((a, i) => names.slice(i).map((b) => [a, b] as const))
  for (const [a, b] of pairs) {
    const { id } = await client.computes.create({ name: `${a} and ${b}` }, { wait: 60 })
    const answers = await Promise.all(
      Array.from({ length: atOnce }, (_, n) =>
        commands[n % 2 === 0 ? a : b](id).then(
          () => 0,
          (error: unknown) => (isProblem(error) ? error.status : -1),
        ),
      ),
    )
    const legal: readonly number[] = LEGAL
    expect(
      answers.filter((answer) => !legal.includes(answer)),
      `${a} and ${b}`,
    ).toEqual([])
    const settled = await visitor.client.computes.get(id)
    if (a === 'remove' || b === 'remove') await visitor.until(id, 'terminated', 60_000)
    else {
      expect(['running', 'hibernated', 'hibernating', 'waking', 'restoring']).toContain(
        settled.state,
      )
      await client.computes.remove(id, { wait: 60, purge: true })
    }
  }
}
