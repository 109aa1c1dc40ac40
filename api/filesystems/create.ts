/** New filesystems, each with its event. */
import { authorize, canSee } from '../../auth/authorize.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Queryable } from '../../records/database.ts'
import { appendEvent } from '../../records/events.ts'
import { findFilesystem, insertFilesystem, type FilesystemRow } from '../../records/filesystems.ts'
import { forkFilesystem } from '../../records/forks.ts'
import { defaultImage } from '../../records/images.ts'
import { findSnapshot } from '../../records/snapshots.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { AppDeps } from '../deps.ts'

/**
 * The snapshot that a fork of this filesystem begins with; `field` of the request named it. Errors:
 * NotFound, Forbidden, InvalidState before its first save.
 */
export const headOf = async (
  db: Queryable,
  principal: Principal,
  id: string,
  field: string,
): Promise<string> => {
  const row = requireUsable(principal, await findFilesystem(db, id), field)
  if (row.head_snapshot_id === null)
    throw new DormouseError('InvalidState', `nothing of filesystem ${id} is saved yet`, { field })
  return row.head_snapshot_id
}

const requireUsable = (
  principal: Principal,
  row: FilesystemRow | undefined,
  field: string,
): FilesystemRow => {
  // Another's is refused in the same words as one that is not there.
  if (row === undefined || row.trashed_at !== null || !canSee(principal, row.group_id))
    throw new DormouseError('NotFound', 'no such thing, or not yours', { field })
  authorize(principal, 'filesystem:use', { groupId: row.group_id, ownerId: row.owner_id })
  return row
}

/** Of a snapshot of a filesystem that its caller may use. Errors: NotFound (also in the trash), Forbidden. */
export const createFork = async (
  tx: Queryable,
  principal: Principal,
  from: {
    snapshotId: string
    groupId: string
    name: string | null
    /** Made with a compute, and goes to the trash with it. */
    implicit: boolean
    field: string
  },
): Promise<FilesystemRow> => {
  const snapshot = await findSnapshot(tx, from.snapshotId)
  const origin = snapshot && (await findFilesystem(tx, snapshot.filesystem_id))
  requireUsable(principal, origin, from.field)
  const row = await forkFilesystem(tx, {
    snapshotId: from.snapshotId,
    groupId: from.groupId,
    ownerId: principal.userId,
    name: from.name,
    implicit: from.implicit,
  })
  await noteCreated(tx, principal, row)
  return row
}

export const createEmpty = async (
  { db, runtime }: Pick<AppDeps, 'db' | 'runtime'>,
  principal: Principal,
  groupId: string,
  name: string,
): Promise<FilesystemRow> => {
  const row = await insertFilesystem(db, {
    groupId,
    ownerId: principal.userId,
    name,
    implicit: false,
    imageDigest: defaultImage(runtime),
  })
  await noteCreated(db, principal, row)
  return row
}

const noteCreated = (db: Queryable, principal: Principal, row: FilesystemRow): Promise<void> =>
  appendEvent(db, {
    groupId: row.group_id,
    type: 'filesystem.created',
    actor: principal.actor,
    data: { filesystemId: row.id, name: row.name, forkedFrom: row.forked_from },
  })
