import type { Client } from '../sdk/client.ts'
import type { Compute, Snapshot } from '../sdk/types.ts'
import { pick } from './resolve.ts'

/** The saves of a compute's files, newest first. */
export const snapshotsOf = async (
  client: Client,
  { filesystem_id }: Compute,
): Promise<readonly Snapshot[]> => {
  const { items } = await client.filesystems.snapshots(filesystem_id)
  return [...items].sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
}

/** A snapshot by its id, or the beginning of it. */
export const resolveSnapshot = async (
  client: Client,
  compute: Compute,
  reference: string,
): Promise<Snapshot> => {
  const all = await snapshotsOf(client, compute)
  const named = all.map((snapshot) => ({ ...snapshot, name: snapshot.created_at }))
  return pick(
    named,
    reference,
    `List them with \`dormouse snapshot ls ${compute.name}\`.`,
    'snapshot',
  )
}
