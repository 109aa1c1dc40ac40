import type { Activity } from '../activity/activity.ts'
import { Failure } from '../errors.ts'
import { Command } from './command.ts'
import type { CommandSpec } from './request.ts'

const MOST_RUNNING = 256
const FINISHED_KEPT = 64

/** Commands by id. Finished background ones are kept for their output, the oldest go first. */
export class Commands {
  readonly #byId = new Map<string, Command>()
  readonly #env: () => Readonly<Record<string, string>>
  readonly #activity: Activity
  readonly #began: (pid: number) => void
  #lastId = 0

  constructor(
    env: () => Readonly<Record<string, string>>,
    activity: Activity,
    began: (pid: number) => void,
  ) {
    this.#began = began
    this.#env = env
    this.#activity = activity
  }

  /** Errors: invalid, no_space. */
  async start(spec: CommandSpec): Promise<Command> {
    if (this.running >= MOST_RUNNING)
      throw new Failure('no_space', `${MOST_RUNNING} commands run already; end some first.`)
    this.#lastId += 1
    const id = String(this.#lastId)
    // Held from before the process exists: a freeze must see it.
    const release = this.#activity.hold(`command:${id} ${spec.program}`)
    try {
      const command = await Command.start(id, spec, this.#env())
      this.#byId.set(id, command)
      this.#began(command.pid)
      void command.done.then(() => {
        release()
        this.#forgetOldest()
      })
      return command
    } catch (error) {
      release()
      throw error
    }
  }

  /** Errors: not_found. */
  get(id: string): Command {
    const command = this.#byId.get(id)
    if (!command) throw new Failure('not_found', `There is no command "${id}".`)
    return command
  }

  forget(command: Command): void {
    this.#byId.delete(command.id)
  }

  list(): readonly Command[] {
    return [...this.#byId.values()]
  }

  get running(): number {
    return this.list().filter(({ exit }) => !exit).length
  }

  #forgetOldest(): void {
    const finished = this.list().filter(({ exit }) => exit)
    for (const command of finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT)))
      this.forget(command)
  }
}
