/** Up: serve what is asked, or wait for the next moment of the clock and do what it is for. */
import type { ActivityReport } from '../../../activities/contract.ts'
import type { Cause, Wish } from '../contract.ts'
import { showDetails, showSearchable } from '../display.ts'
import { announce, probe } from '../effects.ts'
import { mustRecall, problemOf } from '../failures.ts'
import { askIdleIn, follows, isIdleOff, settle, target, type Life } from '../life.ts'
import { takeNext, type Entry } from '../queue.ts'
import { renewIfWanted } from '../renew.ts'
import { backOff, nextTimer, rearmIdle, type NextTimer } from '../timers.ts'
import { waitForWork } from '../wait.ts'
import { wakeRunning } from '../wanted.ts'
import { announceEnd, hibernate } from './hibernate.ts'
import { checkpoint, commit } from './keep.ts'

const IDLE: Cause = { reason: 'idle', actor: 'system:idle-timer' }
const LIFETIME: Cause = { reason: 'lifetime', actor: 'system:lifetime' }

export const run = async (life: Life): Promise<void> => {
  while (life.memory.state === 'running') {
    if (life.lookAgain || life.deleteByMs !== undefined) return
    const entry = takeNext(life.queue)
    if (entry !== undefined) {
      await serve(life, entry, entry.wish)
      continue
    }
    await renewIfWanted(life)
    life.rearm = false
    const { clock } = life.memory
    const timer = clock && nextTimer(clock, life.input.timings.announceMs, Date.now())
    showDetails(life)
    showSearchable(life)
    const worked = await waitForWork(life, timer?.delayMs, timer?.summary ?? '')
    if (!worked && timer !== undefined) await fire(life, timer)
  }
}

const serve = async (life: Life, entry: Entry, wish: Wish): Promise<void> => {
  switch (wish.kind) {
    case 'hibernate':
      return wish.cause.reason === 'schedule'
        ? hibernateUnlessInUse(life, entry, wish)
        : hibernate(life, entry, wish)
    case 'checkpoint':
      return checkpoint(life, entry)
    case 'commit':
      return commit(life, entry, wish)
    case 'lost':
      // A report of a loss is not a loss: the runtime is asked before anything is given up.
      if (wish.generation !== life.memory.generation) return
      life.lossCause = wish.cause
      life.lookAgain = true
      return
    case 'wake':
      // It waited behind a hibernation that could not be saved.
      if (follows(life, 4)) wakeRunning(life)
      return settle(life, entry, { ok: true })
    case 'retry':
    case 'delete':
      return settle(life, entry, { ok: true })
  }
}

const fire = async (life: Life, timer: NextTimer): Promise<void> => {
  const { memory } = life
  const clock = memory.clock
  if (clock === undefined) return
  switch (timer.kind) {
    case 'idle':
      return askWhetherIdle(life)
    case 'checkpoint':
      return checkpoint(life)
    case 'announce': {
      const reason = clock.endCause?.reason === 'schedule' ? 'schedule' : 'lifetime'
      memory.clock = { ...clock, announcedMs: [...clock.announcedMs, timer.announceMs ?? 0] }
      const inMs = Math.max(0, (clock.endsAtMs ?? 0) - Date.now())
      await announce({ ...target(life), reason, inMs }).catch(unlessStale)
      return
    }
    case 'lifetime': {
      const { endsAtMs: _, endCause, ...rest } = clock
      memory.clock = rest
      return hibernateFor(life, endCause ?? LIFETIME, false)
    }
    case 'back_off': {
      const { retry, ...rest } = clock
      memory.clock = rest
      if (retry === undefined) return
      if (!(retry.unannounced === true && follows(life, 3)))
        return hibernateFor(life, retry.cause, false)
      const wish = { kind: 'hibernate', cause: retry.cause, automatic: false } as const
      return hibernateUnlessInUse(life, { wish, tickets: [] }, wish)
    }
  }
}

const hibernateFor = (life: Life, cause: Cause, automatic: boolean): Promise<void> => {
  const wish = { kind: 'hibernate', cause, automatic } as const
  return hibernate(life, { wish, tickets: [] }, wish)
}

const askWhetherIdle = async (life: Life): Promise<void> => {
  const { memory, input } = life
  if (isIdleOff(life)) return askIdleIn(life, 0)
  const report = await ask(life)
  // It may have been turned off meanwhile.
  if (isIdleOff(life)) return askIdleIn(life, 0)
  const clock = memory.clock
  if (clock === undefined) return
  // Someone wanted it up meanwhile, or gave it another timeout: that moment stands.
  if (follows(life, 5) && (clock.idleCheckAtMs ?? 0) > Date.now()) return
  if (report === undefined) {
    // Nobody answers: that is no proof of idleness, and no proof of a loss.
    memory.clock = { ...clock, idleCheckAtMs: Date.now() + backOff(1, input.timings.backOffMs) }
    return
  }
  const atMs = rearmIdle(Date.now(), memory.idleTimeoutMs, report.idleForMs)
  // What was asked meanwhile was let in as of a compute that runs: it comes first.
  if (atMs <= Date.now() && follows(life, 5) && life.queue.length > 0) return
  if (atMs <= Date.now()) return hibernateFor(life, IDLE, true)
  memory.clock = {
    ...clock,
    idleCheckAtMs: atMs,
    ...(report.dirty || clock.checkpointAtMs === undefined
      ? {}
      : { checkpointAtMs: Date.now() + input.timings.checkpointEveryMs }),
  }
}

/** A schedule ends active work only after announcing it. */
const hibernateUnlessInUse = async (
  life: Life,
  entry: Entry,
  wish: Extract<Wish, { kind: 'hibernate' }>,
): Promise<void> => {
  const noticeMs = Math.max(0, ...life.input.timings.announceMs)
  // Who waits for it is not forgotten if the sandbox turns out to be gone.
  if (follows(life, 3)) life.serving = entry
  const report = noticeMs > 0 ? await ask(life) : undefined
  // Somebody wanted it up, or gone, meanwhile.
  if (follows(life, 5) && (life.serving !== entry || life.deleteByMs !== undefined)) return
  const { clock } = life.memory
  if (report === undefined || report.idleForMs >= noticeMs || clock === undefined)
    return hibernate(life, entry, wish, follows(life, 3) ? noticeMs : 0)
  announceEnd(life, entry, wish.cause, noticeMs)
  life.serving = undefined
  settle(life, entry, { ok: true })
}

const ask = async (life: Life): Promise<ActivityReport | undefined> => {
  try {
    const report = await probe(target(life))
    life.activity = report.reason
    life.recalls = 0
    return report
  } catch (error) {
    if (mustRecall(error)) throw error
    life.memory.problem = problemOf(error, 'SidekickUnreachable')
    return undefined
  }
}

const unlessStale = (error: unknown): void => {
  if (mustRecall(error)) throw error
}
