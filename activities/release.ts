import { lockCompute, requireCompute, transitionOf, type ComputeRow } from '../records/computes.ts'
import type { Queryable } from '../records/database.ts'
import { appendEvent } from '../records/events.ts'
import { findFilesystem, lockFilesystem } from '../records/filesystems.ts'
import { releaseLease } from '../records/leases.ts'
import { recordEnded } from '../records/generations.ts'
import { endsWithCompute, purgeFilesystem } from '../records/trash.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'

/**
 * The end of delete. A filesystem that was named stays; one made with the compute goes to the trash,
 * or for good with `purge`. Done twice: nothing more happens.
 */
export const createRelease =
  ({
    db,
    runtime,
    schedules,
  }: Pick<ControlDeps, 'db' | 'runtime' | 'schedules'>): ControlActivities['release'] =>
  async (input) => {
    const { computeId, generation } = input
    const row = await requireCompute(db, computeId)
    await runtime.stop({ computeId, generation }, { keepTree: false })
    await schedules.remove(computeId)
    const trashed = await db.transaction().execute(async (tx) => {
      const locked = await lockCompute(tx, computeId)
      if (locked.state === 'terminated') return wasTrashedBy(tx, locked)
      await recordEnded(tx, input)
      await releaseLease(tx, { filesystemId: row.filesystem_id, computeId, generation })
      await tx.deleteFrom('port_doors').where('compute_id', '=', computeId).execute()
      const detail = { unsaved: input.unsaved }
      const ended = await transitionOf(tx, locked, { ...input, to: 'terminated', detail })
      return trashImplicit(tx, ended, input.cause.actor)
    })
    if (trashed && input.purge)
      await purgeFilesystem(db, row.filesystem_id, input.cause.actor).catch(ifNotInTrash)
  }

/**
 * An earlier run of this release put it there, in the same moment: what users put into the trash
 * since, or somebody else's delete, is not this one's to purge.
 */
const wasTrashedBy = async (tx: Queryable, ended: ComputeRow): Promise<boolean> => {
  const filesystem = await findFilesystem(tx, ended.filesystem_id)
  const trashedAt = filesystem?.implicit === true ? filesystem.trashed_at : null
  return trashedAt !== null && trashedAt.getTime() === ended.terminated_at?.getTime()
}

const trashImplicit = async (
  tx: Queryable,
  { id, filesystem_id: filesystemId, terminated_at: endedAt }: ComputeRow,
  actor: string,
): Promise<boolean> => {
  const filesystem = await lockFilesystem(tx, filesystemId)
  if (!(await endsWithCompute(tx, filesystem, id))) return false
  await tx
    .updateTable('filesystems')
    .set({ trashed_at: endedAt ?? new Date() })
    .where('id', '=', filesystemId)
    .where('trashed_at', 'is', null)
    .execute()
  await appendEvent(tx, {
    groupId: filesystem.group_id,
    type: 'filesystem.trashed',
    actor,
    data: { filesystemId, name: filesystem.name },
  })
  return true
}

const ifNotInTrash = (error: unknown): void => {
  if (!(error instanceof DormouseError) || error.name !== 'InvalidState') throw error
}
