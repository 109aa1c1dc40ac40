import { saveNow } from '../../sdk/save-now.ts'
import type { Compute } from '../../sdk/types.ts'
import { client } from '../ground/client.ts'

/** A new compute on a copy of the files: of a snapshot, or as they are now. */
export const forkCompute = async (
  compute: Compute,
  fork: { readonly name: string; readonly snapshotId?: string },
): Promise<Compute> => {
  if (fork.snapshotId === undefined && compute.state === 'running')
    await saveNow(client, compute.id)
  return client.computes.create({
    name: fork.name,
    ...(fork.snapshotId === undefined
      ? { from_filesystem: compute.filesystem_id }
      : { from_snapshot: fork.snapshotId }),
    group_id: compute.group_id,
    image_name: compute.image_id,
    tier: compute.tier,
  })
}
