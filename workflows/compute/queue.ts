/**
 * What is asked of a compute and not yet begun. Pure and plain JSON. Commands are judged against the
 * state the compute will have when everything queued before them is done, so "hibernate, then wake"
 * ends awake however fast they follow each other.
 */
import type { CommandName, ComputeState, Wish } from './contract.ts'
import { judge, type Verdict } from './lifecycle.ts'

/** A wish and the numbers of those who wait for its outcome. */
export interface Entry {
  readonly wish: Wish
  readonly tickets: number[]
}

export const projected = (state: ComputeState, queue: readonly Entry[]): ComputeState =>
  queue.reduce((before, { wish }) => afterWish(before, wish), state)

const afterWish = (before: ComputeState, wish: Wish): ComputeState => {
  if (wish.kind === 'lost' || wish.kind === 'checkpoint' || wish.kind === 'commit') return before
  const verdict = judge(wish.kind, before)
  if (verdict.kind !== 'serve' && verdict.kind !== 'queue') return before
  if (wish.kind === 'hibernate') return 'hibernating'
  if (wish.kind === 'wake') return 'waking'
  return wish.kind === 'retry' ? 'provisioning' : 'terminating'
}

export const judgeQueued = (
  command: CommandName,
  state: ComputeState,
  queue: readonly Entry[],
): Verdict => judge(command, projected(state, queue))

/**
 * Puts `ticket` to the wish already under way or queued that will bring the same; else queues `wish`.
 * `schedulesYield`: see underWay.
 */
export const admit = (
  verdict: Verdict,
  wish: Wish,
  ticket: number,
  queue: Entry[],
  serving: Entry | undefined,
  schedulesYield: boolean,
): void => {
  const same = verdict.kind === 'join' ? underWay(wish, queue, serving, schedulesYield) : undefined
  if (same !== undefined) same.tickets.push(ticket)
  else if (wish.kind === 'delete') queue.unshift({ wish, tickets: [ticket] })
  else queue.push({ wish, tickets: [ticket] })
}

/**
 * What will bring the same as `wish`. Whatever activity may call off is not relied on: an automatic
 * hibernation, and with `schedulesYield` (plot 3) one by a schedule, by anything but a schedule.
 */
export const underWay = (
  wish: Wish,
  queue: readonly Entry[],
  serving: Entry | undefined,
  schedulesYield: boolean,
): Entry | undefined =>
  [...(serving === undefined ? [] : [serving]), ...queue].findLast((entry) =>
    bringsTheSame(entry.wish, wish, schedulesYield),
  )

const bringsTheSame = (under: Wish, wanted: Wish, schedulesYield: boolean): boolean => {
  if (wanted.kind === 'hibernate')
    return (
      under.kind === 'hibernate' &&
      !under.automatic &&
      !(schedulesYield && isBySchedule(under) && !isBySchedule(wanted))
    )
  if (wanted.kind === 'wake' || wanted.kind === 'retry')
    return under.kind === 'wake' || under.kind === 'retry'
  return under.kind === wanted.kind
}

const isBySchedule = ({ cause }: Wish): boolean => cause.reason === 'schedule'

/** A delete first, then the loss of the sandbox, then in the order they came. */
export const takeNext = (queue: Entry[]): Entry | undefined => {
  for (const kind of ['delete', 'lost'] as const) {
    const index = queue.findIndex((entry) => entry.wish.kind === kind)
    if (index >= 0) return queue.splice(index, 1)[0]
  }
  return queue.shift()
}
