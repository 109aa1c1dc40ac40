/** Which moment a running compute waits for next. Pure: times are epoch milliseconds, given. */
import type { Cause, Clock, Timings } from './contract.ts'

export type TimerKind = 'idle' | 'checkpoint' | 'announce' | 'lifetime' | 'back_off'

export interface NextTimer {
  readonly kind: TimerKind
  readonly atMs: number
  /** At least 0; an overdue timer is due now. */
  readonly delayMs: number
  /** For operators, below 200 bytes. */
  readonly summary: string
  /** For `announce`: the moment before the end that is announced. */
  readonly announceMs?: number
}

/** First wait, then twice as long each time, up to eight times the first. */
export const backOff = (failures: number, firstMs: number): number =>
  firstMs * Math.min(8, 2 ** Math.max(0, failures - 1))

/** Failures of ours are tried again sooner than a user's activity is asked about: at most 5, 10, 20, 40 s. */
export const failureBackOff = (failures: number, firstMs: number): number =>
  backOff(Math.min(failures, 4), Math.min(firstMs, 5_000))

/** The clock of a generation that users may enter from now on. */
export const startClock = (
  nowMs: number,
  timings: Timings,
  idleTimeoutMs: number,
  soonSave: boolean,
): Clock => ({
  upSinceMs: nowMs,
  ...(idleTimeoutMs > 0 ? { idleCheckAtMs: nowMs + idleTimeoutMs } : {}),
  ...(timings.maxLifetimeMs > 0 ? { endsAtMs: nowMs + timings.maxLifetimeMs } : {}),
  ...checkpointAfter(
    nowMs,
    timings,
    soonSave ? Math.min(timings.backOffMs, timings.checkpointEveryMs) : timings.checkpointEveryMs,
  ),
  announcedMs: [],
})

const checkpointAfter = (nowMs: number, timings: Timings, afterMs: number) =>
  timings.checkpointEveryMs > 0 ? { checkpointAtMs: nowMs + afterMs } : {}

/** The next check after a probe found `idleForMs`: what is left of the timeout; due now when none is. */
export const rearmIdle = (nowMs: number, idleTimeoutMs: number, idleForMs: number): number =>
  nowMs + Math.max(0, idleTimeoutMs - idleForMs)

/** Ends `noticeMs` from now for `cause`, and says so before; an end that comes sooner stays. */
export const announcedEnd = (
  clock: Clock,
  nowMs: number,
  noticeMs: number,
  cause: Cause,
): Clock => {
  const endsAtMs = nowMs + noticeMs
  if (clock.endsAtMs !== undefined && clock.endsAtMs <= endsAtMs) return clock
  return { ...clock, endsAtMs, endCause: cause, announcedMs: [] }
}

/** The earliest moment; undefined when the clock waits for nothing. Ties go to the end of the list. */
export const nextTimer = (
  clock: Clock,
  announceMs: readonly number[],
  nowMs: number,
): NextTimer | undefined => {
  const candidates: Omit<NextTimer, 'delayMs'>[] = []
  if (clock.idleCheckAtMs !== undefined)
    candidates.push({ kind: 'idle', atMs: clock.idleCheckAtMs, summary: 'ask whether it is idle' })
  if (clock.checkpointAtMs !== undefined)
    candidates.push({ kind: 'checkpoint', atMs: clock.checkpointAtMs, summary: 'checkpoint' })
  const announcement = nextAnnouncement(clock, announceMs, nowMs)
  if (announcement !== undefined) candidates.push(announcement)
  if (clock.endsAtMs !== undefined)
    candidates.push({
      kind: 'lifetime',
      atMs: clock.endsAtMs,
      summary: `end of its time (${clock.endCause?.reason ?? 'lifetime'})`,
    })
  if (clock.retry !== undefined)
    candidates.push({
      kind: 'back_off',
      atMs: clock.retry.atMs,
      summary: `try again to save and hibernate (${clock.retry.cause.reason})`,
    })
  if (candidates.length === 0) return undefined
  const first = candidates.reduce((best, one) => (one.atMs <= best.atMs ? one : best))
  return { ...first, delayMs: Math.max(0, first.atMs - nowMs) }
}

/** Of announcements that are overdue together only the nearest to the end is made. */
const nextAnnouncement = (clock: Clock, announceMs: readonly number[], nowMs: number) => {
  const endsAtMs = clock.endsAtMs
  if (endsAtMs === undefined || endsAtMs <= nowMs) return undefined
  const due = announceMs.filter((before) => !alreadyAnnounced(clock, before))
  const overdue = due.filter((before) => endsAtMs - before <= nowMs)
  const before = overdue.length > 0 ? Math.min(...overdue) : due.length > 0 ? Math.max(...due) : 0
  return before === 0
    ? undefined
    : {
        kind: 'announce' as const,
        atMs: endsAtMs - before,
        announceMs: before,
        summary: `announce its end ${Math.round(before / 1000)} s before`,
      }
}

const alreadyAnnounced = (clock: Clock, before: number): boolean =>
  clock.announcedMs.some((made) => made <= before)
