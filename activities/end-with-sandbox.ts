import { setTimeout as sleep } from 'node:timers/promises'
import { DormouseError } from '../workflows/errors.ts'
import type { Runtime, SandboxRef, SidekickControl } from './ports.ts'

const LOOK_EVERY_MS = 2_000

/**
 * A machine or sandbox that dies closes no connection: what moves a tree would wait for it for minutes.
 * So the runtime is asked meanwhile, and what goes on with a sandbox that is gone ends in SandboxGone.
 */
export const endWithSandbox = (
  sidekick: SidekickControl,
  runtime: Pick<Runtime, 'inspect'>,
  everyMs = LOOK_EVERY_MS,
): SidekickControl => ({
  ...sidekick,
  async archive(endpoint, target, request, signal) {
    const watch = watchFor(runtime, target, everyMs, signal)
    try {
      const opened = await sidekick.archive(endpoint, target, request, watch.signal)
      opened.stream.once('close', watch.stop)
      watch.signal.addEventListener('abort', () => opened.stream.destroy(watch.signal.reason))
      return opened
    } catch (error) {
      watch.stop()
      throw error
    }
  },
  async restorePart(endpoint, target, part, signal) {
    const watch = watchFor(runtime, target, everyMs, signal)
    return sidekick.restorePart(endpoint, target, part, watch.signal).finally(watch.stop)
  },
  async restored(endpoint, target, saveId) {
    const watch = watchFor(runtime, target, everyMs, new AbortController().signal)
    const gone = new Promise<never>((_, reject) =>
      watch.signal.addEventListener('abort', () => reject(watch.signal.reason as Error)),
    )
    const asked = sidekick.restored(endpoint, target, saveId)
    return Promise.race([asked, gone]).finally(watch.stop)
  },
  async retire(endpoint, target, freeze) {
    try {
      await sidekick.retire(endpoint, target, freeze)
    } catch (error) {
      // What is gone writes no more, which is all that this is for; unless its freeze may have ended first.
      if (!(await isGone(runtime, target))) throw error
      if (performance.now() > freeze.untilMs) throw goneError(target, error)
    }
  },
})

/** A sidekick that did not answer because its sandbox is gone: SandboxGone. */
export const namingTheEnd = async <T>(
  runtime: Pick<Runtime, 'inspect'>,
  target: SandboxRef,
  work: () => Promise<T>,
): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    const unanswered = error instanceof DormouseError && error.name === 'SidekickUnreachable'
    throw unanswered && (await isGone(runtime, target)) ? goneError(target, error) : error
  }
}

/** An error of the runtime is not absence. */
const isGone = async (runtime: Pick<Runtime, 'inspect'>, target: SandboxRef): Promise<boolean> =>
  (await runtime.inspect(target).catch(() => 'live')) === 'gone'

/** A signal that follows `from`, and aborts with SandboxGone once the runtime says so. */
const watchFor = (
  runtime: Pick<Runtime, 'inspect'>,
  target: SandboxRef,
  everyMs: number,
  from: AbortSignal,
): { readonly signal: AbortSignal; stop(): void } => {
  const stopped = new AbortController()
  const gone = new AbortController()
  const look = async (): Promise<void> => {
    for (;;) {
      await sleep(everyMs, undefined, { signal: stopped.signal })
      const ended = await isGone(runtime, target)
      if (stopped.signal.aborted) return
      if (ended) return gone.abort(goneError(target))
    }
  }
  void look().catch(() => undefined)
  return { signal: AbortSignal.any([from, gone.signal]), stop: () => stopped.abort() }
}

const goneError = ({ generation }: SandboxRef, cause?: unknown): DormouseError =>
  new DormouseError('SandboxGone', `the sandbox of generation ${generation} is gone`, {}, cause)
