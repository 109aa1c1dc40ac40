import type { Client } from '../sdk/client.ts'
import { isProblem } from '../sdk/problem.ts'

/** Who an actor is: name and email of a member of the group, the name of a key of one's own; else as it is. */
export type Who = (actor: string, groupId: string) => Promise<string>

/** Asks for each group, and for the caller's keys, once. */
export const peopleOf = (client: Client): Who => {
  const members = new Map<string, Promise<Names>>()
  let keys: Promise<Names> | undefined
  const membersOf = (groupId: string): Promise<Names> => {
    const known = members.get(groupId) ?? names(listMembers(client, groupId))
    members.set(groupId, known)
    return known
  }
  return async (actor, groupId) => {
    if (actor.startsWith('user:')) return (await membersOf(groupId)).get(actor) ?? actor
    if (!actor.startsWith('key:')) return actor
    return (await (keys ??= names(listKeys(client)))).get(actor) ?? actor
  }
}

type Names = ReadonlyMap<string, string>
type Named = readonly (readonly [actor: string, name: string])[]

const listMembers = async (client: Client, groupId: string): Promise<Named> =>
  (await client.groups.members(groupId)).items.map(({ user_id, name, email }) => [
    `user:${user_id}`,
    name === email ? email : `${name} <${email}>`,
  ])

const listKeys = async (client: Client): Promise<Named> =>
  (await client.apiKeys.list()).items.map(({ id, name }) => [`key:${id}`, `API key ${name}`])

/** Names make an answer kinder; that they are not to be had, as keys by a key, is no reason for none. */
const names = (listing: Promise<Named>): Promise<Names> =>
  listing.then(
    (found) => new Map(found),
    (error: unknown) => {
      if (isProblem(error)) return new Map()
      throw error
    },
  )
