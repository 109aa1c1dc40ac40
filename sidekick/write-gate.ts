import { Failure } from './errors.ts'
import type { Life } from './life.ts'

/**
 * Every write the sidekick itself makes for a user goes through here, so that a freeze can be sure
 * none is under way: set the state to frozen, then await `quiet()`.
 */
export class WriteGate {
  readonly #life: Life
  #inFlight = 0
  #waiters: (() => void)[] = []
  #quiet: (() => void)[] = []

  constructor(life: Life) {
    this.#life = life
    life.onChange((now) => {
      if (now !== 'frozen') for (const wake of this.#waiters.splice(0)) wake()
    })
  }

  /** One short write. Errors: frozen. */
  async run<T>(write: () => Promise<T>): Promise<T> {
    if (this.#life.state === 'frozen')
      throw new Failure('frozen', 'The compute is being saved; try again in a few seconds.')
    return this.#counted(write)
  }

  /** One piece of a longer write that began before a freeze: waits until it is over. */
  async continue<T>(write: () => Promise<T>): Promise<T> {
    while (this.#life.state === 'frozen')
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    if (this.#life.state === 'retired')
      throw new Failure('not_open', 'The compute was hibernated; wake it and send the file again.')
    return this.#counted(write)
  }

  /** Resolves when no write is under way. */
  quiet(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#quiet.push(resolve))
  }

  async #counted<T>(write: () => Promise<T>): Promise<T> {
    this.#inFlight += 1
    try {
      return await write()
    } finally {
      this.#inFlight -= 1
      if (this.#inFlight === 0) for (const done of this.#quiet.splice(0)) done()
    }
  }
}
