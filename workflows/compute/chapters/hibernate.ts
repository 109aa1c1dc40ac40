/** To sleep: save, and only when that is published, stop. Whatever fails, the compute stays up. */
import type { SaveOutcome } from '../../../activities/contract.ts'
import type { Cause, ComputeProblem, Wish } from '../contract.ts'
import { note, record, save, stop } from '../effects.ts'
import { mustRecall, problemOf } from '../failures.ts'
import {
  announcedBySchedule,
  askIdleIn,
  CANCELLED,
  follows,
  isIdleOff,
  move,
  settleServing,
  target,
  type Life,
} from '../life.ts'
import type { Entry } from '../queue.ts'
import { announcedEnd, backOff, failureBackOff } from '../timers.ts'
import { untilDeleted } from '../wait.ts'
import { isWantedUp } from '../wanted.ts'

type Hibernation = Extract<Wish, { kind: 'hibernate' }>

/** `noticeMs`: activity within that long before the freeze calls it off; its end is announced then. */
export const hibernate = async (
  life: Life,
  entry: Entry,
  wish: Hibernation,
  noticeMs = 0,
): Promise<void> => {
  const { cause, automatic } = wish
  const { memory } = life
  const { idleTimeoutMs } = memory
  life.serving = entry
  move(life, 'hibernate', cause)
  await record({ ...target(life), to: 'hibernating', cause })
  if (follows(life, 5) && life.deleteByMs !== undefined) return
  // The timeout may have been changed meanwhile.
  if (automatic && isIdleOff(life)) return calledOff(life, entry, wish, { idleTimeoutMs: 0 }, 0)
  const idleForMs = automatic ? Math.max(idleTimeoutMs, memory.idleTimeoutMs) : noticeMs
  const idle = idleForMs > 0 ? { onlyIfIdleForMs: idleForMs } : {}
  let outcome: SaveOutcome
  try {
    outcome = await untilDeleted(life, () =>
      save({ ...target(life), mode: 'hibernate', cause, ...idle }),
    )
  } catch (error) {
    if (mustRecall(error)) throw error
    return life.deleteByMs === undefined
      ? stayUp(life, entry, wish, problemOf(error, 'SaveFailed'), noticeMs > 0)
      : undefined
  }
  return outcome.kind === 'called_off'
    ? calledOff(life, entry, wish, { activity: outcome.activity }, noticeMs)
    : fallAsleep(life, cause, outcome)
}

const fallAsleep = async (
  life: Life,
  cause: Cause,
  outcome: Exclude<SaveOutcome, { kind: 'called_off' }>,
): Promise<void> => {
  const { memory } = life
  memory.unsaved = false
  const { kind, stopped, ...detail } = outcome
  if (kind === 'forked') await note({ ...target(life), type: 'forked', cause, detail })
  if (stopped !== true)
    await stop({
      ...target(life),
      to: 'hibernated',
      cause,
      keepTree: false,
      detail: { save: kind, ...detail },
    })
  move(life, 'saved', cause)
  const announced = announcedBySchedule(life)
  delete memory.clock
  delete memory.problem
  memory.callOffs = 0
  memory.saveFailures = 0
  memory.losses = 0
  life.activity = null
  // Its place goes away, not its use: it starts again elsewhere, unless someone meanwhile wanted it asleep.
  const { serving } = life
  const isWanted = follows(life, 4) && serving !== undefined && isWantedAsleep(life, serving)
  settleServing(life, { ok: true })
  if (cause.reason === 'drain' && !isWanted) {
    life.queue.push({ wish: { kind: 'wake', cause }, tickets: [] })
    if (announced !== undefined)
      life.queue.push({
        wish: { kind: 'hibernate', cause: announced, automatic: false },
        tickets: [],
      })
  }
  life.renew = true
}

const isWantedAsleep = (life: Life, entry: Entry): boolean =>
  entry.tickets.length > 0 || life.toStayAsleep === entry

/** By activity, or because the idle timer was turned off. */
const calledOff = async (
  life: Life,
  entry: Entry,
  wish: Hibernation,
  detail: { readonly activity: string } | { readonly idleTimeoutMs: number },
  noticeMs: number,
): Promise<void> => {
  const { memory, input } = life
  const cause: Cause = { reason: 'called_off', actor: wish.cause.actor }
  if ('activity' in detail) life.activity = detail.activity
  if (wish.automatic) {
    memory.callOffs += 1
    const waitMs = backOff(memory.callOffs, input.timings.backOffMs)
    askIdleIn(life, Math.max(memory.idleTimeoutMs, waitMs))
  } else if (!follows(life, 5)) announceEnd(life, entry, wish.cause, noticeMs)
  await record({ ...target(life), to: 'running', cause, detail })
  // Only now: who wanted it up until this moment was told of a hibernation.
  if (!wish.automatic && follows(life, 5)) announceEnd(life, entry, wish.cause, noticeMs)
  move(life, 'call_off', cause)
  // Of the idle timer's own wish nobody waits for the end; a schedule's is announced now.
  settleServing(life, { ok: true })
}

/** A schedule gives way to use for as long as it announces before, and altogether to who wants it up. */
export const announceEnd = (life: Life, entry: Entry, cause: Cause, noticeMs: number): void => {
  const { clock } = life.memory
  if (clock === undefined || isWantedUp(life, entry)) return
  life.memory.clock = announcedEnd(clock, Date.now(), noticeMs, cause)
}

const stayUp = async (
  life: Life,
  entry: Entry,
  wish: Hibernation,
  problem: ComputeProblem,
  unannounced: boolean,
): Promise<void> => {
  const { memory, input } = life
  const cause: Cause = { reason: 'save_failed', actor: 'system:workflow' }
  memory.saveFailures += 1
  memory.problem = problem
  const waitMs = failureBackOff(memory.saveFailures, input.timings.backOffMs)
  const atMs = Date.now() + waitMs
  const { reason } = wish.cause
  const isOver = life.outlasted === entry && (reason === 'lifetime' || reason === 'schedule')
  if (wish.automatic) askIdleIn(life, waitMs)
  else if (memory.clock !== undefined && !isOver) {
    // Else a drain's next try would wake it again.
    const retried = life.toStayAsleep === entry ? CANCELLED : wish.cause
    const retry = { atMs, cause: retried, ...(unannounced ? { unannounced } : {}) }
    memory.clock = { ...memory.clock, retry }
  }
  const detail = isOver ? {} : { tryAgainAt: new Date(atMs).toISOString() }
  await record({ ...target(life), to: 'running', cause, problem, detail })
  move(life, 'save_failed', cause)
  settleServing(life, {
    ok: false,
    code: 'SaveFailed',
    message: `not saved, so it stays up${isOver ? '' : ' and tries again'}: ${problem.message}`,
    details: { problem, ...detail },
  })
}
