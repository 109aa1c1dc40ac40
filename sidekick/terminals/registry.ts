import type { Activity } from '../activity/activity.ts'
import { Failure } from '../errors.ts'
import type { Size, Shell } from './pty.ts'
import { Terminal } from './terminal.ts'

const MOST_TERMINALS = 64

/** Terminals by id. One that exited stays, so that late clients see how it ended, until it is asked for anew. */
export class Terminals {
  readonly #byId = new Map<string, Terminal>()
  readonly #shell: () => Shell
  readonly #activity: Activity
  readonly #began: (pid: number) => void

  constructor(shell: () => Shell, activity: Activity, began: (pid: number) => void) {
    this.#began = began
    this.#shell = shell
    this.#activity = activity
  }

  /**
   * The terminal of that id, started if it is not there. An exited one is returned only to who names
   * its attempt. Errors: no_space.
   */
  getOrStart(id: string, attempt: string | undefined, size: Size): Terminal {
    const present = this.#byId.get(id)
    if (present && (!present.exit || present.attempt === attempt)) return present
    this.#makeRoom()
    const touch = () => this.#activity.touch(`terminal:${id}`)
    const terminal = new Terminal(id, this.#shell(), size, { output: touch, exited: touch })
    this.#byId.set(id, terminal)
    this.#began(terminal.info().pid)
    touch()
    return terminal
  }

  list(): readonly Terminal[] {
    return [...this.#byId.values()]
  }

  /** Errors: not_found. */
  remove(id: string): void {
    const terminal = this.#byId.get(id)
    if (!terminal) throw new Failure('not_found', `There is no terminal "${id}".`)
    terminal.hangUp()
    this.#byId.delete(id)
  }

  get running(): number {
    return this.list().filter(({ exit }) => !exit).length
  }

  #makeRoom(): void {
    if (this.#byId.size < MOST_TERMINALS) return
    const old = this.list().find(({ exit }) => exit)
    if (!old)
      throw new Failure('no_space', `There are ${MOST_TERMINALS} terminals; delete one first.`)
    this.#byId.delete(old.id)
  }
}
