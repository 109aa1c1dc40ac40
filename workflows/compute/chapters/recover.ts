/**
 * The row and the runtime know what is true; a run that was started anew, reset, or met something
 * newer than itself asks them and carries on from what they say.
 */
import type { Recollection } from '../../../activities/contract.ts'
import type { Cause, Clock, ComputeProblem, Wish } from '../contract.ts'
import { note, recall, record, stop } from '../effects.ts'
import {
  announcedBySchedule,
  arrive,
  follows,
  move,
  settleServing,
  target,
  type Life,
} from '../life.ts'
import { isComingUp } from '../lifecycle.ts'
import { backOff, startClock } from '../timers.ts'
import { pause } from '../wait.ts'
import { tellCommitFailed } from './keep.ts'

const RECOVERED: Cause = { reason: 'recovered', actor: 'system:workflow' }

export const recover = async (life: Life): Promise<void> => {
  life.lookAgain = false
  life.recalls += 1
  const { backOffMs } = life.input.timings
  if (life.recalls > 2) {
    const waitMs = backOff(life.recalls - 2, backOffMs)
    // Those that lie further apart are not in a row: a loss is not looked at later for losses of last week.
    const agoMs = follows(life, 5) ? Date.now() - life.recalledAtMs : 0
    await pause(life, waitMs - agoMs, 'ask again later')
  }
  const seen = await recall({ computeId: life.input.computeId })
  life.recalledAtMs = Date.now()
  const commit = keepWhatWasUnderWay(life)
  if (commit !== undefined && follows(life, 5)) await tellCommitFailed(life, commit, gone())
  if (seen.deleteRequested !== undefined || seen.state === 'terminating') wantDelete(life, seen)
  await adopt(life, seen)
  life.known = true
}

const adopt = async (life: Life, seen: Recollection): Promise<void> => {
  const { memory } = life
  const sameGeneration = memory.generation === seen.generation
  const stillUp = sameGeneration && memory.clock !== undefined
  memory.generation = seen.generation
  if (isComingUp(seen.state)) {
    // It never was open, so the next generation may take its place; a kept tree stays kept.
    if (seen.sandbox === 'live')
      await stop({ ...target(life), to: null, cause: RECOVERED, keepTree: true })
    const first = seen.state === 'requested' || seen.state === 'provisioning'
    arrive(life, first ? seen.state : 'waking', seen.cause, seen.since)
    delete memory.clock
    return
  }
  if (seen.state !== 'running' && seen.state !== 'hibernating') {
    arrive(life, seen.state, seen.cause, seen.since)
    if (seen.problem !== undefined) memory.problem = seen.problem
    if (seen.state === 'terminating' && seen.sandbox === 'live')
      memory.clock ??= newClock(life, seen)
    else delete memory.clock
    memory.unsaved = memory.clock !== undefined || (memory.unsaved && seen.state !== 'hibernated')
    return
  }
  arrive(life, 'running', seen.cause, seen.since)
  memory.unsaved = true
  // However it came up, that start is over: the next one has its whole time.
  if (follows(life, 5)) {
    life.startingSinceMs = undefined
    life.givenUp = undefined
  }
  if (seen.sandbox === 'gone') return lose(life, stillUp)
  if (!stillUp) memory.clock = newClock(life, seen)
  if (seen.state === 'hibernating') {
    arrive(life, 'running', RECOVERED, new Date().toISOString())
    await record({ ...target(life), to: 'running', cause: RECOVERED })
  } else if (!stillUp)
    await note({ ...target(life), type: 'adopted', cause: RECOVERED, detail: {} })
}

/** Of a sandbox that is up already: its lifetime is what the row says, and no end comes before it is announced. */
const newClock = (life: Life, { lifetimeEndsAt }: Recollection): Clock => {
  const { timings } = life.input
  const clock = startClock(Date.now(), timings, life.memory.idleTimeoutMs, true)
  // A worker of an earlier version paid no heed to it, whoever carried out the activity.
  if (lifetimeEndsAt === undefined || !follows(life, 5)) return clock
  const { endsAtMs: _, ...endless } = clock
  if (lifetimeEndsAt === null) return endless
  const soonestMs = Date.now() + Math.max(0, ...timings.announceMs)
  return { ...endless, endsAtMs: Math.max(soonestMs, Date.parse(lifetimeEndsAt)) }
}

/** The sandbox of this generation vanished: say since when writes may be lost, and start the next one. */
const lose = async (life: Life, stillUp: boolean): Promise<void> => {
  const { memory, input } = life
  const now = Date.now()
  const upSinceMs = stillUp ? (memory.clock?.upSinceMs ?? now) : Date.parse(memory.since)
  memory.losses = now - upSinceMs > input.timings.provisionRetryForMs ? 1 : memory.losses + 1
  const cause = life.lossCause ?? { reason: 'lost', actor: 'system:workflow' }
  life.lossCause = undefined
  const lossSince =
    (stillUp ? memory.lastCheckpointAt : undefined) ?? new Date(upSinceMs).toISOString()
  await stop({ ...target(life), to: 'waking', cause, keepTree: true, detail: { lossSince } })
  move(life, 'lost', cause)
  if (stillUp) keepPromisedHibernation(life)
  delete memory.clock
}

/** One that could not be saved and is to be tried again, or that a schedule announced. */
const keepPromisedHibernation = (life: Life): void => {
  const cause = promisedRetry(life) ?? announcedBySchedule(life)
  if (cause === undefined || !follows(life, 3)) return
  life.queue.unshift({ wish: { kind: 'hibernate', cause, automatic: false }, tickets: [] })
}

/** Not one that was for the sandbox's own sake. */
const promisedRetry = (life: Life): Cause | undefined => {
  const cause = life.memory.clock?.retry?.cause
  return cause?.reason === 'drain' || cause?.reason === 'save_failed' ? undefined : cause
}

const GONE = 'the sandbox is gone; ask again when the compute runs'

const gone = (): ComputeProblem => {
  const at = new Date().toISOString()
  return { code: 'SandboxGone', message: GONE, retryable: true, at }
}

/**
 * A person's wish goes on in the state that is found; what needed the old sandbox has failed. Gives the
 * commit that did.
 */
const keepWhatWasUnderWay = (life: Life): Extract<Wish, { kind: 'commit' }> | undefined => {
  const entry = life.serving
  if (entry === undefined) return undefined
  const { wish } = entry
  if (wish.kind === 'checkpoint' || wish.kind === 'commit') {
    settleServing(life, { ok: false, code: 'SandboxGone', message: GONE })
    return wish.kind === 'commit' ? wish : undefined
  }
  life.serving = undefined
  if (wish.kind !== 'lost' && !(wish.kind === 'hibernate' && wish.automatic))
    life.queue.unshift(entry)
  return undefined
}

const wantDelete = (life: Life, seen: Recollection): void => {
  life.deleteByMs ??= Date.now() + life.input.timings.deleteSaveForMs
  if (life.queue.some((entry) => entry.wish.kind === 'delete')) return
  const purge = seen.deleteRequested?.purge ?? false
  // Who asked is told only by a row that says so already; any other says why it is in the state before.
  const cause: Cause =
    seen.state === 'terminating' ? seen.cause : { reason: 'deleted', actor: 'system:workflow' }
  life.queue.unshift({ wish: { kind: 'delete', cause, purge }, tickets: [] })
}
