import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import { log } from '../log.ts'
import type { FreezeRequest } from '../protocol.ts'
import { StoppedProcesses } from './stopped-processes.ts'

type Needs = Pick<SidekickContext, 'life' | 'activity' | 'gate' | 'processes'>

/** Half the lease at most: the rest is for the save. */
const STOP_WITHIN_MS = 10_000

/**
 * The barrier of a save: no input, no command, no write of the sidekick, no running process. It
 * belongs to an epoch, ends by itself, and a freeze that fails leaves nothing stopped.
 */
export class Freezer {
  readonly #context: Needs
  readonly #stopped: StoppedProcesses
  #epoch = -1
  #freezes = 0
  #lease: NodeJS.Timeout | null = null
  #freezing: Promise<number> | null = null
  readonly #listeners = new Set<() => void>()

  constructor(context: Needs) {
    this.#context = context
    this.#stopped = new StoppedProcesses(context.processes)
    // What was published is final: a retired compute is never let run again.
    context.life.onChange((now) => {
      if (now === 'retired') this.#endLease()
    })
  }

  get isFrozen(): boolean {
    return this.#context.life.state === 'frozen'
  }

  /** Called when a freeze ends, by whatever. */
  onThaw(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Returns how many processes are stopped, and the number of this freeze. Asked again while frozen:
   * the same freeze, whose lease starts anew.
   * Errors: stale_epoch, active (with details.activity), wrong_state, internal (naming the blocker).
   */
  async freeze({
    epoch,
    leaseMs,
    onlyIfIdleForMs,
  }: FreezeRequest): Promise<{ stopped: number; freeze: number }> {
    this.#fence(epoch)
    const { life, activity } = this.#context
    if (life.state !== 'frozen') {
      // From the question to the state no other code runs: nobody becomes active in between.
      if (onlyIfIdleForMs !== undefined && activity.idleForMs() < onlyIfIdleForMs)
        throw new Failure('active', 'Something was active meanwhile.', {
          activity: activity.reason(onlyIfIdleForMs) ?? 'unknown',
        })
      life.to('frozen')
      this.#freezes += 1
      this.#freezing = this.#stopAll(performance.now() + Math.min(leaseMs / 2, STOP_WITHIN_MS))
    }
    const freeze = this.#freezes
    this.#epoch = epoch
    this.#endLease()
    this.#lease = setTimeout(() => {
      log('freeze lease ran out', { epoch })
      this.#release()
    }, leaseMs)
    return { stopped: (await this.#freezing) ?? 0, freeze }
  }

  /** Errors: stale_epoch. Not frozen: nothing happens. */
  thaw(epoch: number): void {
    this.#fence(epoch)
    this.#epoch = epoch
    if (this.isFrozen) this.#release()
  }

  /** The end, for what was saved in that freeze: errors: wrong_state once it is over. */
  retire(freeze: number): void {
    const { life } = this.#context
    if (life.state !== 'retired' && !(this.isFrozen && freeze === this.#freezes))
      throw new Failure('wrong_state', 'That freeze is over: there may be writes nobody saved.')
    life.to('retired')
  }

  #fence(epoch: number): void {
    const newest = Math.max(this.#epoch, this.#context.life.claim?.epoch ?? 0)
    if (epoch < newest)
      throw new Failure('stale_epoch', 'A newer writer holds this compute.', { epoch: newest })
  }

  async #stopAll(deadline: number): Promise<number> {
    try {
      await within(deadline, this.#context.gate.quiet(), 'a file that is being written')
      return await this.#stopped.stopAll(deadline, () => this.isFrozen)
    } catch (error) {
      this.#release()
      throw error
    }
  }

  #release(): void {
    this.#endLease()
    this.#freezing = null
    this.#stopped.continueAll()
    if (this.isFrozen) this.#context.life.to('open')
    for (const listener of this.#listeners) listener()
  }

  #endLease(): void {
    if (this.#lease) clearTimeout(this.#lease)
    this.#lease = null
  }
}

const within = async (deadline: number, work: Promise<void>, blocker: string): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const refuse = (): void =>
      reject(new Failure('internal', `The freeze was held up by ${blocker}.`, { blocker }))
    timer = setTimeout(refuse, Math.max(0, deadline - performance.now()))
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
