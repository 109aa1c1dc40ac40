import { forEachAtOnce } from '../../test/support/at-once.ts'
import { historyEventCount } from '../../test/support/temporal-histories.ts'
import type { Measure } from '../bench.ts'
import { figure, timed } from '../figure.ts'

/** create → hibernate → wake → delete, several at once; and what one costs in Temporal's history. */
export const lifecycles: Measure = async ({ stack, visitor, quick }) => {
  const { client } = visitor
  const count = quick ? 8 : 60
  const ids: string[] = []
  const ms = await timed(() =>
    forEachAtOnce(count, 8, async () => {
      const { id } = await client.computes.create({ name: 'bench life' }, { wait: 60 })
      ids.push(id)
      await visitor.run(id, 'echo work > file')
      await client.computes.hibernate(id, { wait: 60 })
      await client.computes.wake(id, { wait: 60 })
      await client.computes.remove(id, { purge: true, wait: 60 })
    }),
  )
  const events = await historyEventCount(stack, `compute-${ids.at(-1)}`)
  return [
    figure('whole lives a second, 8 at once', count / (ms / 1000), '1/s'),
    figure('history events of one life', events, 'events', { value: 60, name: 'our own bound' }),
  ]
}
