/** From asked-for to running: start a generation, fill its tree, open it; or fail with a named reason. */
import type { Provisioned } from '../../../activities/contract.ts'
import type { ComputeProblem, Reason } from '../contract.ts'
import { provision, record, restore, stop } from '../effects.ts'
import { mustRecall, problemOf } from '../failures.ts'
import { move, settleServing, target, type Life } from '../life.ts'
import { backOff, failureBackOff, startClock } from '../timers.ts'
import { pause, untilDeleted } from '../wait.ts'
import { isFailureName } from '../../errors.ts'

/** A sandbox that is lost this often in a row, each time soon after its start, is not started again. */
const MAX_LOSSES = 5
/** A user waits for this start: the first new try comes soon, then after 2, 4 and 8 s. */
const FIRST_RETRY_MS = 1_000
/** A start in flight when a delete comes may end by itself, so that its sandbox is known and stopped. */
const DELETE_WAITS_FOR_START_MS = 10_000

export const bringUp = async (life: Life): Promise<void> => {
  const { memory, input } = life
  const { backOffMs, provisionRetryForMs } = input.timings
  life.startingSinceMs ??= Date.now()
  const giveUpAtMs = life.startingSinceMs + provisionRetryForMs
  // The generation was refused before it could be marked as failed; the row's own one is marked.
  if (life.givenUp !== undefined) return giveUp(life, life.givenUp.problem, life.givenUp.reason)
  if (memory.losses > MAX_LOSSES) return giveUp(life, tooManyLosses(), 'lost')
  if (memory.losses > 1) await pause(life, backOff(memory.losses, backOffMs), 'lost again: wait')
  if (life.deleteByMs !== undefined) return
  if (memory.state === 'requested') move(life, 'provision', memory.cause)
  memory.generation += 1

  let provisioned: Provisioned | undefined
  for (let attempt = 1; life.deleteByMs === undefined; attempt += 1) {
    let problem: ComputeProblem
    try {
      provisioned ??= await start(life)
      if (provisioned.state === 'restoring') await fill(life, provisioned)
      return opened(life, provisioned)
    } catch (error) {
      problem = problemOf(error, provisioned ? 'StoreUnavailable' : 'ProvisionFailed')
      if (problem.code !== 'SandboxGone' && mustRecall(error)) throw error
    }
    if (life.deleteByMs !== undefined) return
    const reason = provisioned === undefined ? 'provision_failed' : 'restore_failed'
    const waitMs = failureBackOff(attempt, Math.min(backOffMs, FIRST_RETRY_MS))
    memory.problem = problem
    if (!problem.retryable || Date.now() + waitMs > giveUpAtMs) return giveUp(life, problem, reason)
    if (problem.code === 'SandboxGone') {
      await replaceDeadGeneration(life)
      provisioned = undefined
    } else {
      await recordTrouble(life, problem, reason)
    }
    await pause(life, waitMs, `try again to start: ${problem.code}`)
  }
}

/** A start may be refused before it took its generation; then the row still has the one before. */
const recordTrouble = async (
  life: Life,
  problem: ComputeProblem,
  reason: 'provision_failed' | 'restore_failed',
): Promise<void> => {
  const cause = { reason, actor: 'system:workflow' }
  const { computeId, generation } = target(life)
  const trouble = { computeId, to: life.memory.state, cause, problem }
  try {
    await record({ ...trouble, generation })
  } catch (error) {
    if (!mustRecall(error)) throw error
    await record({ ...trouble, generation: generation - 1 })
  }
}

const start = (life: Life): Promise<Provisioned> => {
  const as = life.memory.state === 'provisioning' ? 'provisioning' : 'waking'
  return untilDeleted(
    life,
    () => provision({ ...target(life), as, cause: life.memory.cause }),
    DELETE_WAITS_FOR_START_MS,
  )
}

const fill = async (life: Life, { snapshotId }: Provisioned): Promise<void> => {
  const { cause } = life.memory
  if (life.memory.state !== 'restoring') move(life, 'restore', cause)
  await untilDeleted(
    life,
    () => restore({ ...target(life), snapshotId, cause }),
    DELETE_WAITS_FOR_START_MS,
  )
}

const opened = (life: Life, provisioned: Provisioned): void => {
  const { memory, input } = life
  move(life, 'open', memory.cause)
  memory.clock = startClock(Date.now(), input.timings, memory.idleTimeoutMs, provisioned.keptTree)
  memory.unsaved = true
  life.startingSinceMs = undefined
  delete memory.problem
  delete memory.lastCheckpointAt
  settleServing(life, { ok: true })
}

/** It never was writable, so nothing of it is lost; a kept tree of an earlier generation is kept again. */
const replaceDeadGeneration = async (life: Life): Promise<void> => {
  const cause = { reason: 'lost', actor: 'system:workflow' } as const
  const restoring = life.memory.state === 'restoring'
  await stop({ ...target(life), to: restoring ? 'waking' : null, cause, keepTree: true })
  if (restoring) move(life, 'lost', life.memory.cause)
  life.memory.generation += 1
}

const giveUp = async (life: Life, problem: ComputeProblem, reason: Reason): Promise<void> => {
  const { memory } = life
  const cause = { reason, actor: 'system:workflow' }
  life.givenUp = { problem, reason }
  await stop({ ...target(life), to: 'failed', cause, keepTree: true, problem })
  if (memory.state === 'requested') move(life, 'provision', cause)
  move(life, 'fail', cause)
  life.givenUp = undefined
  life.startingSinceMs = undefined
  memory.problem = problem
  settleServing(life, {
    ok: false,
    code: isFailureName(problem.code) ? problem.code : 'ProvisionFailed',
    message: problem.message,
    details: { problem },
  })
}

const tooManyLosses = (): ComputeProblem => ({
  code: 'SandboxGone',
  message: `the sandbox was lost ${MAX_LOSSES} times in a row, each time soon after its start`,
  retryable: true,
  at: new Date().toISOString(),
})
