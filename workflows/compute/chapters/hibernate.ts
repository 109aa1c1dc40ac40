/** To sleep: save, and only when that is published, stop. Whatever fails, the compute stays up. */
import type { SaveOutcome } from '../../../activities/contract.ts'
import type { Cause, ComputeProblem, Wish } from '../contract.ts'
import { note, record, save, stop } from '../effects.ts'
import { mustRecall, problemOf } from '../failures.ts'
import { move, settleServing, target, type Life } from '../life.ts'
import type { Entry } from '../queue.ts'
import { backOff, failureBackOff } from '../timers.ts'
import { untilDeleted } from '../wait.ts'

type Hibernation = Extract<Wish, { kind: 'hibernate' }>

export const hibernate = async (life: Life, entry: Entry, wish: Hibernation): Promise<void> => {
  const { cause, automatic } = wish
  life.serving = entry
  move(life, 'hibernate', cause)
  await record({ ...target(life), to: 'hibernating', cause })
  let outcome: SaveOutcome
  try {
    const idle = automatic ? { onlyIfIdleForMs: life.memory.idleTimeoutMs } : {}
    outcome = await untilDeleted(life, () =>
      save({ ...target(life), mode: 'hibernate', cause, ...idle }),
    )
  } catch (error) {
    if (mustRecall(error)) throw error
    return life.deleteByMs === undefined
      ? stayUp(life, wish, problemOf(error, 'SaveFailed'))
      : undefined
  }
  return outcome.kind === 'called_off'
    ? calledOff(life, outcome.activity)
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
  delete memory.clock
  delete memory.problem
  memory.callOffs = 0
  memory.saveFailures = 0
  memory.losses = 0
  life.activity = null
  settleServing(life, { ok: true })
  // Its place goes away, not its use: it starts again elsewhere.
  if (cause.reason === 'drain') life.queue.push({ wish: { kind: 'wake', cause }, tickets: [] })
  life.renew = true
}

const calledOff = async (life: Life, activity: string): Promise<void> => {
  const { memory, input } = life
  const cause: Cause = { reason: 'called_off', actor: 'system:idle-timer' }
  memory.callOffs += 1
  life.activity = activity
  const waitMs = Math.max(memory.idleTimeoutMs, backOff(memory.callOffs, input.timings.backOffMs))
  if (memory.clock !== undefined)
    memory.clock = { ...memory.clock, idleCheckAtMs: Date.now() + waitMs }
  await record({ ...target(life), to: 'running', cause, detail: { activity } })
  move(life, 'call_off', cause)
  // Only the idle timer's own wish can be called off; nobody waits for it.
  settleServing(life, { ok: true })
}

const stayUp = async (life: Life, wish: Hibernation, problem: ComputeProblem): Promise<void> => {
  const { memory, input } = life
  const cause: Cause = { reason: 'save_failed', actor: 'system:workflow' }
  memory.saveFailures += 1
  memory.problem = problem
  const atMs = Date.now() + failureBackOff(memory.saveFailures, input.timings.backOffMs)
  if (memory.clock !== undefined)
    memory.clock = wish.automatic
      ? { ...memory.clock, idleCheckAtMs: atMs }
      : { ...memory.clock, retry: { atMs, cause: wish.cause } }
  const detail = { tryAgainAt: new Date(atMs).toISOString() }
  await record({ ...target(life), to: 'running', cause, problem, detail })
  move(life, 'save_failed', cause)
  settleServing(life, {
    ok: false,
    code: 'SaveFailed',
    message: `not saved, so it stays up and tries again: ${problem.message}`,
    details: { problem, ...detail },
  })
}
