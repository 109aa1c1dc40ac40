import type { Client } from '../sdk/client.ts'
import { everyItem } from '../sdk/pages.ts'
import { isProblem } from '../sdk/problem.ts'
import type { Compute } from '../sdk/types.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { shown } from './output.ts'

const ID = /^[a-z][a-z0-9]{19}$/

/** Id of a group that was named by its id, its name, or the beginning of either. */
export const resolveGroupId = async (client: Client, reference: string): Promise<string> => {
  const { items } = await client.groups.list()
  // It may be one of which the caller is no member.
  if (ID.test(reference) && !items.some(({ name }) => name === reference)) return reference
  return pick(items, reference, 'List yours with `dormouse group ls`.', 'group').id
}

/** A compute by id, by name, or by the beginning of either, if only one has it. */
export const resolveCompute = async (client: Client, reference: string): Promise<Compute> => {
  if (ID.test(reference)) {
    const compute = await client.computes.get(reference).catch((error: unknown) => {
      if (isProblem(error) && error.status === 404) return undefined
      throw error
    })
    if (compute !== undefined) return compute
  }
  const living: Compute[] = []
  for await (const compute of eachCompute(client))
    if (compute.state !== 'terminated') living.push(compute)
  return pick(living, reference)
}

export const pick = <T extends { readonly id: string; readonly name: string }>(
  all: readonly T[],
  reference: string,
  whereToLook = 'List yours with `dormouse ls`.',
  kind = 'compute',
): T => {
  // All begin with nothing: an unset variable of a script would name the only one there is.
  if (reference === '')
    throw new CliError(EXIT.usage, `Which ${kind}? Its name is empty.`, whereToLook)
  const tiers = [
    all.filter(({ id, name }) => id === reference || name === reference),
    all.filter(({ id, name }) => id.startsWith(reference) || name.startsWith(reference)),
  ]
  const matches = tiers.find((tier) => tier.length > 0) ?? []
  const [only] = matches
  if (only === undefined)
    throw new CliError(EXIT.notFound, `No ${kind} is called "${reference}".`, whereToLook)
  if (matches.length > 1)
    throw new CliError(
      EXIT.usage,
      `"${reference}" could be any of ${matches.length} ${kind}s:\n${matches.map(({ id, name }) => `  ${id}  ${shown(name)}`).join('\n')}`,
      new Set(matches.map(({ name }) => name)).size === 1
        ? 'They have the same name: give the id, or its beginning.'
        : 'Give more of the name, or the id.',
    )
  return only
}

export const eachCompute = (
  client: Client,
  query: { state?: string; name?: string } = {},
): AsyncGenerator<Compute, void, undefined> =>
  everyItem((page) => client.computes.page({ ...query, ...page }))
