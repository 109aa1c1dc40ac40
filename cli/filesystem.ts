import type { Client } from '../sdk/client.ts'
import { everyItem } from '../sdk/pages.ts'
import type { Filesystem } from '../sdk/types.ts'
import { pick } from './resolve.ts'

export const filesystemsOf = async (client: Client): Promise<readonly Filesystem[]> => {
  const all: Filesystem[] = []
  for await (const one of everyItem((page) => client.filesystems.page(page))) all.push(one)
  return all
}

/** Those that were named by id, name, or the beginning of either; the name of one without is empty. */
export const resolveFilesystems = async (client: Client, references: readonly string[]) => {
  const named = (await filesystemsOf(client)).map(({ id, name }) => ({ id, name: name ?? '' }))
  return references.map((reference) =>
    pick(named, reference, 'List yours with `dormouse filesystem ls`.', 'filesystem'),
  )
}
