/** The messages a compute takes. Registered before the first await; judged without waiting. */
import { CancellationScope, condition, setHandler } from '@temporalio/workflow'
import {
  OBSERVED_SIGNAL,
  REFRESH_SIGNAL,
  SETTLED_UPDATE,
  VIEW_QUERY,
  type CommandArgs,
  type CommandName,
  type CommandResults,
  type ComputeView,
  type Observation,
  type Wish,
} from './contract.ts'
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import { applySchedule, note } from './effects.ts'
import { failure, problemOf } from './failures.ts'
import { CANCELLED, follows, forgetRetry, target, viewOf, type Life } from './life.ts'
import { isComingUp, isSettled, judgeLifetime, type Verdict } from './lifecycle.ts'
import { admit, judgeQueued, underWay } from './queue.ts'
import { outlast, wakeRunning } from './wanted.ts'
import { isFailureName } from '../errors.ts'

const MAX_QUEUED = 50

export const listen = (life: Life): void => {
  setHandler(defineQuery<ComputeView>(VIEW_QUERY), () => viewOf(life))
  setHandler(defineSignal<[Observation]>(OBSERVED_SIGNAL), (seen) => observe(life, seen))
  setHandler(defineSignal(REFRESH_SIGNAL), () => {
    life.lookAgain = true
    life.renew = true
  })
  setHandler(defineUpdate<ComputeView>(SETTLED_UPDATE), () =>
    uncancelled(async () => {
      await condition(() => life.known && isSettled(life.memory.state))
      return viewOf(life)
    }),
  )
  onCommand(life, 'hibernate', (args) => ({ kind: 'hibernate', ...args, automatic: false }))
  onCommand(life, 'wake', (args) => ({ kind: 'wake', ...args }))
  onCommand(life, 'delete', (args) => ({ kind: 'delete', ...args }))
  onCommand(life, 'retry', (args) => ({ kind: 'retry', ...args }))
  onCommand(life, 'commit', (args) => ({ kind: 'commit', ...args }))
  onCommand(life, 'checkpoint', (args) => ({ kind: 'checkpoint', ...args }))
  const extending = inTurn(life)
  handle(life, 'extend', (args) => extend(life, args, extending))
  const scheduling = inTurn(life)
  handle(life, 'schedule', async ({ cause, schedule }) => {
    try {
      await scheduling(() => applySchedule({ computeId: life.input.computeId, schedule, cause }))
    } catch (error) {
      const { code, message } = problemOf(error, 'Unavailable')
      throw failure(isFailureName(code) ? code : 'Unavailable', message)
    }
    return viewOf(life)
  })
}

/** An operator's cancel means hibernate; the run is then renewed, so that it can be cancelled again. */
export const hearCancel = (life: Life): void => {
  CancellationScope.current().cancelRequested.catch(() => {
    life.renew = true
    const verdict = judgeQueued('hibernate', life.memory.state, life.queue)
    const wish = { kind: 'hibernate', cause: CANCELLED, automatic: false } as const
    const under = underWay(wish, life.queue, life.serving, true)
    const joins = verdict.kind === 'join' && (!follows(life, 3) || under !== undefined)
    if (joins && follows(life, 5)) life.toStayAsleep = under
    if (verdict.kind === 'refuse' || verdict.kind === 'answer' || joins) return
    life.queue.push({ wish, tickets: [] })
  })
}

/** Commands that the plot serves, one at a time: the handler only waits for the outcome. */
const onCommand = <K extends Exclude<CommandName, 'extend' | 'schedule'>>(
  life: Life,
  name: K,
  wishOf: (args: CommandArgs[K]) => Wish,
): void =>
  handle(life, name, async (args, verdict) => {
    if (verdict.kind === 'answer') {
      if (name === 'wake') wakeRunning(life)
      return viewOf(life) as CommandResults[K]
    }
    // A delete overtakes whatever waits.
    if (life.queue.length >= MAX_QUEUED && !(name === 'delete' && follows(life, 5)))
      throw failure('RateLimited', 'too much is asked of this compute at once; ask again later')
    if (name === 'delete') life.deleteByMs ??= Date.now() + life.input.timings.deleteSaveForMs
    life.tickets += 1
    const ticket = life.tickets
    admit(verdict, wishOf(args), ticket, life.queue, life.serving, follows(life, 3))
    await condition(() => life.outcomes.has(ticket))
    const outcome = life.outcomes.get(ticket)
    life.outcomes.delete(ticket)
    if (outcome?.ok === false) throw failure(outcome.code, outcome.message, outcome.details)
    return outcome?.value as CommandResults[K]
  })

const handle = <K extends CommandName>(
  life: Life,
  name: K,
  answer: (args: CommandArgs[K], verdict: Verdict) => Promise<CommandResults[K]>,
): void => {
  const verdictOn = (args: CommandArgs[K]): Verdict => {
    const lifetime = name === 'extend' && (args as CommandArgs['extend']).lifetimeMs !== undefined
    const verdict = lifetime
      ? judgeLifetime(life.memory.state)
      : judgeQueued(name, life.memory.state, life.queue)
    if (verdict.kind === 'refuse')
      throw failure('InvalidState', verdict.message, { state: life.memory.state })
    return verdict
  }
  setHandler(
    defineUpdate<CommandResults[K], [CommandArgs[K]]>(name),
    (args) =>
      uncancelled(async () => {
        // A recovering run does not know its state yet, so the validator let everything in.
        if (!life.known) await condition(() => life.known)
        return answer(args, verdictOn(args))
      }),
    {
      validator: (args) => {
        if (life.known) verdictOn(args)
      },
    },
  )
}

/** Of two that write the same row the one that was asked later is to be the one that stands. */
const inTurn = (life: Life) => {
  let last: Promise<unknown> = Promise.resolve()
  return (write: () => Promise<void>): Promise<void> => {
    if (!follows(life, 5)) return write()
    const mine = last.then(write)
    last = mine.catch(() => undefined)
    return mine
  }
}

const extend = async (
  life: Life,
  args: CommandArgs['extend'],
  inItsTurn: ReturnType<typeof inTurn>,
): Promise<ComputeView> => {
  const { memory } = life
  const { cause, lifetimeMs, idleTimeoutMs } = args
  if (idleTimeoutMs !== undefined) {
    memory.idleTimeoutMs = idleTimeoutMs
    if (memory.clock !== undefined) {
      const { idleCheckAtMs: _, ...clock } = memory.clock
      memory.clock =
        idleTimeoutMs > 0 ? { ...clock, idleCheckAtMs: Date.now() + idleTimeoutMs } : clock
    }
  }
  if (lifetimeMs !== undefined && memory.clock !== undefined) {
    const { endsAtMs: _, endCause: __, ...clock } = memory.clock
    memory.clock = {
      ...clock,
      announcedMs: [],
      ...(lifetimeMs > 0 ? { endsAtMs: Date.now() + lifetimeMs } : {}),
    }
    const ended = memory.clock.retry?.cause.reason
    if (ended === 'lifetime' || ended === 'schedule') forgetRetry(life)
    outlast(life)
  }
  life.rearm = true
  const view = viewOf(life)
  const detail = {
    idleTimeoutMs: memory.idleTimeoutMs,
    ...(lifetimeMs === undefined ? {} : { lifetimeEndsAt: view.lifetimeEndsAt ?? null }),
  }
  const extended = { ...target(life), type: 'extended', cause, detail }
  await inItsTurn(() => note(extended))
  return view
}

const observe = (life: Life, seen: Observation): void => {
  const { memory, queue } = life
  if (!life.known || seen.generation < memory.generation) return
  if (seen.generation > memory.generation) {
    life.lookAgain = true
    return
  }
  const cause = { reason: seen.reason, actor: 'system:observer' }
  if (seen.what === 'gone') {
    // Told as long as it lasts, also while nobody has time to look.
    const { generation } = seen
    const isTold = queue.some(({ wish }) => wish.kind === 'lost' && wish.generation === generation)
    if (isTold && follows(life, 5)) return
    queue.push({ wish: { kind: 'lost', cause, generation }, tickets: [] })
    return
  }
  const wish = { kind: 'hibernate', cause, automatic: false } as const
  const moving =
    memory.clock?.retry?.cause.reason === 'drain' ||
    underWay(wish, queue, life.serving, follows(life, 3)) !== undefined
  // What is going to sleep may be called off.
  const up = memory.state === 'running' || (follows(life, 3) && memory.state === 'hibernating')
  if (!moving && (up || isComingUp(memory.state))) queue.push({ wish, tickets: [] })
}

/** A cancelled run must still answer: cancel is a wish here, not an end. */
const uncancelled = <T>(run: () => Promise<T>): Promise<T> => CancellationScope.nonCancellable(run)
