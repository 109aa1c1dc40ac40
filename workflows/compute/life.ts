/** What one run holds: the memory that outlives it, and what is asked and under way right now. */
import { log, workflowInfo } from '@temporalio/workflow'
import type { FailureName } from '../errors.ts'
import { plotOf } from '../plot.ts'
import type {
  Cause,
  ComputeInput,
  ComputeMemory,
  ComputeProblem,
  ComputeState,
  ComputeView,
  Reason,
} from './contract.ts'
import { failure } from './failures.ts'
import { next, type LifecycleEvent } from './lifecycle.ts'
import type { Entry } from './queue.ts'

/** In the Temporal UI. */
export const CANCELLED: Cause = { reason: 'operator', actor: 'operator' }

export type Outcome =
  | { readonly ok: true; readonly value?: unknown }
  | {
      readonly ok: false
      readonly code: FailureName
      readonly message: string
      readonly details?: Readonly<Record<string, unknown>>
    }

type Memory = { -readonly [K in keyof Omit<ComputeMemory, 'wishes'>]: ComputeMemory[K] }

export interface Life {
  readonly input: ComputeInput
  /** See PLOT. */
  readonly plot: number
  readonly memory: Memory
  /** False until a recovering run has asked the row; nothing is judged before. */
  known: boolean
  readonly queue: Entry[]
  serving: Entry | undefined
  readonly outcomes: Map<number, Outcome>
  tickets: number
  /** A delete was asked: what is under way may take no longer than this moment. */
  deleteByMs: number | undefined
  /** A delete tries to save until then. */
  saveByMs: number | undefined
  /** The clock was moved; the running plot must look at it again. */
  rearm: boolean
  /** This run is a reset one and has noticed it. */
  resetSeen: boolean
  /** Something says that this run's memory may be old. */
  lookAgain: boolean
  /** Continue as new at the next rest: asked for, or this run has slept, or was cancelled. */
  renew: boolean
  /** Recalls in a row without reaching a rest. */
  recalls: number
  /** When the last of them ended. */
  recalledAtMs: number
  /** What an observer gave as the reason of a loss that is being confirmed. */
  lossCause: Cause | undefined
  /** Since when it is being brought up, also across recalls. */
  startingSinceMs: number | undefined
  /** Whose end someone moved while it was under way: if it does not come to pass, it is not tried again. */
  outlasted: Entry | undefined
  /** A drain's move that an operator's cancel joined: it is to end asleep. */
  toStayAsleep: Entry | undefined
  /** Bringing it up was given up for this, and the row does not say so yet. */
  givenUp: { readonly problem: ComputeProblem; readonly reason: Reason } | undefined
  /** State and time that the search attributes were last set for, in this run. */
  shown: string | undefined
  /** What keeps it up, as the last probe said. */
  activity: string | null
  /** The one timer of the running plot. */
  alarm: Alarm | undefined
}

/** A timer that is left ticking while something is served: most often it is still the right one after. */
export interface Alarm {
  readonly atMs: number
  rang: boolean
  cancel(): void
}

export const begin = (input: ComputeInput): Life => {
  const { wishes, ...memory } = input.memory ?? firstMemory(input)
  const plot = plotOf(workflowInfo().currentBuildId)
  return {
    input,
    plot,
    memory,
    known: input.recover !== true,
    queue: wishes.map((wish) => ({ wish, tickets: [] })),
    serving: undefined,
    outcomes: new Map(),
    tickets: 0,
    deleteByMs: wishes.some((wish) => wish.kind === 'delete')
      ? Date.now() + input.timings.deleteSaveForMs
      : undefined,
    saveByMs: undefined,
    rearm: false,
    lookAgain: false,
    resetSeen: false,
    renew: false,
    recalls: 0,
    recalledAtMs: 0,
    lossCause: undefined,
    startingSinceMs: undefined,
    outlasted: undefined,
    toStayAsleep: undefined,
    givenUp: undefined,
    shown: plot >= 2 && input.memory !== undefined ? shownAs(input.memory) : undefined,
    activity: null,
    alarm: undefined,
  }
}

/** False for a run that began on a plot before that one. */
export const follows = ({ plot }: Pick<Life, 'plot'>, since: 2 | 3 | 4 | 5): boolean =>
  plot >= since

/** What the search attributes say of a state; the same text is not written twice. */
export const shownAs = ({ state, since }: Pick<ComputeMemory, 'state' | 'since'>): string =>
  `${state} ${since}`

const firstMemory = (input: ComputeInput): ComputeMemory => ({
  state: 'requested',
  generation: 0,
  since: new Date().toISOString(),
  cause: input.cause,
  idleTimeoutMs: input.timings.idleTimeoutMs,
  callOffs: 0,
  saveFailures: 0,
  losses: 0,
  unsaved: false,
  wishes: [],
})

/** Takes `event`'s way through the lifecycle; a way that the table does not know is a bug of the plot. */
export const move = (life: Life, event: LifecycleEvent, cause: Cause): void => {
  const to = next(life.memory.state, event)
  if (to === undefined) throw failure('Unavailable', `no way from ${life.memory.state} by ${event}`)
  arrive(life, to, cause, new Date().toISOString())
}

export const arrive = (life: Life, state: ComputeState, cause: Cause, since: string): void => {
  log.info(`${life.memory.state} to ${state}`, { reason: cause.reason, actor: cause.actor })
  life.memory.state = state
  life.memory.since = since
  life.memory.cause = cause
}

export const settle = (life: Life, entry: Entry | undefined, outcome: Outcome): void => {
  // The answer is the state of this moment; the plot goes on before the handlers hear of it.
  const told = outcome.ok ? { ok: true as const, value: outcome.value ?? viewOf(life) } : outcome
  for (const ticket of entry?.tickets ?? []) life.outcomes.set(ticket, told)
}

/** Ends the wish that is under way and tells those who wait for it. */
export const settleServing = (life: Life, outcome: Outcome): void => {
  settle(life, life.serving, outcome)
  life.serving = undefined
}

/** The idle timer asks after `waitMs`; not at all while it is off. */
export const askIdleIn = (life: Life, waitMs: number): void => {
  const { memory } = life
  if (memory.clock === undefined) return
  const { idleCheckAtMs: _, ...clock } = memory.clock
  memory.clock = isIdleOff(life) ? clock : { ...clock, idleCheckAtMs: Date.now() + waitMs }
}

/** Someone wants it up: a hibernation that could not be saved is not tried again behind their back. */
export const forgetRetry = (life: Life): void => {
  if (life.memory.clock === undefined) return
  // A move to another place is not against it, and its place goes away all the same.
  if (follows(life, 4) && life.memory.clock.retry?.cause.reason === 'drain') return
  const { retry: _, ...clock } = life.memory.clock
  life.memory.clock = clock
  life.rearm = true
}

/** Why it will end, if a schedule's hibernation became an announced end: that is of the compute, not of its sandbox. */
export const announcedBySchedule = (life: Life): Cause | undefined => {
  const cause = life.memory.clock?.endCause
  return follows(life, 5) && cause?.reason === 'schedule' ? cause : undefined
}

export const isIdleOff = (life: Life): boolean => follows(life, 3) && life.memory.idleTimeoutMs <= 0

export const target = (life: Life) => ({
  computeId: life.input.computeId,
  generation: life.memory.generation,
})

export const viewOf = (life: Life): ComputeView => {
  const { state, generation, since, cause, problem, clock, idleTimeoutMs } = life.memory
  return {
    computeId: life.input.computeId,
    state,
    generation,
    since,
    cause,
    ...(problem === undefined ? {} : { problem }),
    ...(clock?.endsAtMs === undefined
      ? {}
      : { lifetimeEndsAt: new Date(clock.endsAtMs).toISOString() }),
    idleTimeoutMs,
  }
}
