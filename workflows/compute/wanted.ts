/** Someone wants it up: what that does to a sleep that others asked for. */
import { askIdleIn, follows, forgetRetry, settleServing, type Life } from './life.ts'
import type { Entry } from './queue.ts'

/** A wake of what runs is told so, and must be able to rely on it: it counts as use. */
export const wakeRunning = (life: Life): void => {
  forgetRetry(life)
  const { clock, idleTimeoutMs } = life.memory
  if (!follows(life, 5) || clock === undefined) return
  callOffAsked(life)
  askIdleIn(life, Math.max(idleTimeoutMs, (clock.idleCheckAtMs ?? 0) - Date.now()))
  life.rearm = true
}

/** Whoever moves the end of its time means it to be up until then. */
export const outlast = (life: Life): void => {
  if (!follows(life, 5)) return
  callOffAsked(life)
  if (life.memory.state === 'hibernating') life.outlasted = life.serving
}

/** While the question whether it is in use is under way, no state says of a hibernation. */
const callOffAsked = (life: Life): void => {
  if (life.memory.state === 'running' && life.serving?.wish.kind === 'hibernate')
    settleServing(life, { ok: true })
}

/** By someone who asked after `entry` was begun. */
export const isWantedUp = (life: Life, entry: Entry): boolean =>
  follows(life, 5) &&
  (life.outlasted === entry || life.queue.some(({ wish }) => wish.kind === 'wake'))
