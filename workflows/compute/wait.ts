/** Waiting: every wait of the plot goes through here, so that nothing outlasts a delete. */
import { CancellationScope, condition, patched, sleep, workflowInfo } from '@temporalio/workflow'
import { follows, type Alarm, type Life } from './life.ts'
import { mayRenew } from './renew.ts'

/** Something is there to do before any timer. */
export const hasWork = (life: Life): boolean =>
  life.queue.length > 0 || life.rearm || life.lookAgain || mayRenew(life) || wasReset(life)

/** Waits for work, at most `delayMs`; true when work came first. */
export const waitForWork = async (
  life: Life,
  delayMs: number | undefined,
  summary: string,
): Promise<boolean> => {
  if (hasWork(life)) return true
  if (delayMs === undefined) {
    disarm(life)
    await condition(() => hasWork(life))
    return true
  }
  // A timeout of 0 has another meaning to condition().
  if (delayMs < 1) return false
  if (!follows(life, 2)) return condition(() => hasWork(life), delayMs, { summary })
  const alarm = armed(life, delayMs, summary)
  await condition(() => alarm.rang || hasWork(life))
  return hasWork(life)
}

/** The timer that is set for this moment already, or a new one in its place. */
const armed = (life: Life, delayMs: number, summary: string): Alarm => {
  const atMs = Date.now() + delayMs
  if (life.alarm?.atMs === atMs && !life.alarm.rang) return life.alarm
  disarm(life)
  const scope = new CancellationScope({ cancellable: true })
  const alarm: Alarm = { atMs, rang: false, cancel: () => scope.cancel() }
  scope
    .run(() => sleep(delayMs, { summary }))
    .then(
      () => (alarm.rang = true),
      () => undefined,
    )
  life.alarm = alarm
  return alarm
}

const disarm = (life: Life): void => {
  if (life.alarm?.rang === false) life.alarm.cancel()
  life.alarm = undefined
}

/** A back-off that a delete ends at once. */
export const pause = async (life: Life, delayMs: number, summary: string): Promise<void> => {
  if (life.deleteByMs !== undefined || delayMs < 1) return
  await condition(() => life.deleteByMs !== undefined, delayMs, { summary })
}

/**
 * Runs an activity that a delete may cut short: it may go on until the delete's bound, or `graceMs`
 * after the delete came, and is cancelled then.
 */
export const untilDeleted = async <T>(
  life: Life,
  run: () => Promise<T>,
  graceMs = Number.POSITIVE_INFINITY,
): Promise<T> => {
  const scope = new CancellationScope({ cancellable: true })
  let ended = false
  const work = scope.run(run).finally(() => {
    ended = true
  })
  work.catch(() => undefined)
  await condition(() => ended || life.deleteByMs !== undefined)
  if (!ended && graceMs <= 0) scope.cancel()
  else if (!ended) {
    const leftMs = Math.max(1, Math.min(graceMs, (life.deleteByMs ?? 0) - Date.now()))
    const inTime = await condition(() => ended, leftMs, { summary: 'a delete waits for this' })
    if (!inTime) scope.cancel()
  }
  return work
}

/** Its value; undefined if it had none by `atMs`, when it is cancelled. */
export const until = async <T>(
  atMs: number,
  run: () => Promise<T>,
  summary: string,
): Promise<T | undefined> => {
  const scope = new CancellationScope({ cancellable: true })
  let ended = false
  const work = scope.run(run).finally(() => {
    ended = true
  })
  work.catch(() => undefined)
  if (await condition(() => ended, Math.max(1, atMs - Date.now()), { summary })) return work
  scope.cancel()
  return work.catch(() => undefined)
}

/**
 * A run that was reset in the UI replays an old memory. The marker that patched() writes is what makes
 * the moment after the replay visible to code, and the same on every later replay.
 */
const wasReset = (life: Life): boolean => {
  const { runId, originalExecutionRunId } = workflowInfo()
  if (runId === originalExecutionRunId || life.resetSeen) return false
  if (!patched('look-again-after-reset')) return false
  life.resetSeen = true
  life.lookAgain = true
  return true
}
