/**
 * The rules of a compute's life: which event leads where, and what a command meets in each state.
 * Pure: no clock, no Temporal. docs/lifecycle.md is the same in prose and is walked by a test.
 */
import type { CommandName, ComputeState } from './contract.ts'

export const LIFECYCLE_EVENTS = [
  'provision', // the first start begins
  'restore', // the sandbox is there, its tree is not yet
  'open', // users may come in
  'hibernate', // the save that precedes sleep begins
  'saved', // published, and the sandbox is gone
  'call_off', // an automatic hibernation met activity
  'save_failed', // it stays up and tries again
  'wake',
  'lost', // the sandbox vanished; the next generation starts
  'fail',
  'retry',
  'delete',
  'released', // nothing is left of it
] as const
export type LifecycleEvent = (typeof LIFECYCLE_EVENTS)[number]

const TRANSITIONS: Readonly<
  Record<ComputeState, Readonly<Partial<Record<LifecycleEvent, ComputeState>>>>
> = {
  requested: { provision: 'provisioning', delete: 'terminating' },
  provisioning: { restore: 'restoring', open: 'running', fail: 'failed', delete: 'terminating' },
  restoring: { open: 'running', lost: 'waking', fail: 'failed', delete: 'terminating' },
  running: { hibernate: 'hibernating', lost: 'waking', delete: 'terminating' },
  hibernating: {
    saved: 'hibernated',
    call_off: 'running',
    save_failed: 'running',
    lost: 'waking',
    delete: 'terminating',
  },
  hibernated: { wake: 'waking', delete: 'terminating' },
  waking: { restore: 'restoring', open: 'running', fail: 'failed', delete: 'terminating' },
  terminating: { released: 'terminated' },
  terminated: {},
  failed: { retry: 'provisioning', delete: 'terminating' },
}

/** The state after `event`; undefined when the event cannot happen in `state`. */
export const next = (state: ComputeState, event: LifecycleEvent): ComputeState | undefined =>
  TRANSITIONS[state][event]

/** `running` and `hibernated` are where a compute rests; `failed` and `terminated` are where it waits or ends. */
export const isSettled = (state: ComputeState): boolean =>
  state === 'running' || state === 'hibernated' || state === 'failed' || state === 'terminated'

/** The sandbox may hold writes of a user. */
export const isUp = (state: ComputeState): boolean => state === 'running' || state === 'hibernating'

export const isComingUp = (state: ComputeState): boolean =>
  state === 'requested' || state === 'provisioning' || state === 'restoring' || state === 'waking'

export type Verdict =
  /** It begins now. */
  | { readonly kind: 'serve' }
  /** It is already so. */
  | { readonly kind: 'answer' }
  /** The same is under way: wait for its outcome. */
  | { readonly kind: 'join' }
  /** It begins when what is under way has ended. */
  | { readonly kind: 'queue' }
  | { readonly kind: 'refuse'; readonly message: string }

const COMING_UP = {
  requested: 'queue',
  provisioning: 'queue',
  restoring: 'queue',
  waking: 'queue',
} as const
const JOINS_COMING_UP = {
  requested: 'join',
  provisioning: 'join',
  restoring: 'join',
  waking: 'join',
} as const
const GOING = {
  terminating: 'The compute is being deleted; create another one.',
  terminated: 'The compute was deleted; create another one.',
} as const
const FAILED = 'The compute failed; retry or delete it.'
const NOT_UP_YET = 'The compute is still starting; ask again when it runs.'
const ONLY_RUNNING = {
  requested: NOT_UP_YET,
  provisioning: NOT_UP_YET,
  restoring: NOT_UP_YET,
  waking: NOT_UP_YET,
  running: 'serve',
  hibernating: 'The compute is going to sleep; wake it and ask again.',
  hibernated: 'The compute is hibernated; wake it and ask again.',
  failed: FAILED,
  ...GOING,
} as const
const UNLESS_GOING = {
  requested: 'serve',
  provisioning: 'serve',
  restoring: 'serve',
  running: 'serve',
  hibernating: 'serve',
  hibernated: 'serve',
  waking: 'serve',
  failed: 'serve',
  ...GOING,
} as const

/** Anything but the four words is the sentence of a refusal. */
const VERDICTS: Readonly<Record<CommandName, Readonly<Record<ComputeState, string>>>> = {
  hibernate: {
    ...COMING_UP,
    running: 'serve',
    hibernating: 'join',
    hibernated: 'answer',
    failed: FAILED,
    ...GOING,
  },
  wake: {
    ...JOINS_COMING_UP,
    running: 'answer',
    hibernating: 'queue',
    hibernated: 'serve',
    failed: FAILED,
    ...GOING,
  },
  delete: { ...UNLESS_GOING, terminating: 'join', terminated: 'answer' },
  retry: {
    ...JOINS_COMING_UP,
    running: 'answer',
    hibernating: 'The compute did not fail; it is going to sleep. Wake it instead.',
    hibernated: 'The compute did not fail; it is hibernated. Wake it instead.',
    failed: 'serve',
    ...GOING,
  },
  commit: ONLY_RUNNING,
  checkpoint: ONLY_RUNNING,
  extend: UNLESS_GOING,
  schedule: UNLESS_GOING,
}

export const judge = (command: CommandName, state: ComputeState): Verdict => {
  const word = VERDICTS[command][state]
  return word === 'serve' || word === 'answer' || word === 'join' || word === 'queue'
    ? { kind: word }
    : { kind: 'refuse', message: word }
}

/** A lifetime can be moved only while there is one to move. */
export const judgeLifetime = (state: ComputeState): Verdict =>
  isUp(state)
    ? { kind: 'serve' }
    : { kind: 'refuse', message: 'Only a running compute has a lifetime; wake it first.' }
