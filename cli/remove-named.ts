import type { Context } from './context.ts'
import { print, shown } from './output.ts'
import { mustConfirm } from './prompt.ts'

interface Named {
  readonly id: string
  readonly name: string
}

/** Asks once for all of them, then removes one after the other. `told`: what becomes of each, in words. */
export const removeNamed = async (
  context: Context,
  found: readonly Named[],
  how: {
    readonly verb: string
    readonly done: 'deleted' | 'revoked'
    readonly told?: string
    readonly yes: boolean | undefined
    remove(id: string): Promise<unknown>
  },
): Promise<void> => {
  const { verb, done, told = done, yes } = how
  const label = ({ id, name }: Named): string => shown(name || id)
  const question = `${verb} ${found.map(label).join(', ')}?`
  await mustConfirm(question, yes, `Nothing was ${done}.`)
  for (const { id } of found) await how.remove(id)
  context.show(
    found.map(({ id, name }) => ({ id, name, [done]: true })),
    () => found.forEach((one) => print(`${label(one)}  ${told}`)),
  )
}
