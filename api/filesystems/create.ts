/** New filesystems, each with its event. */
import { authorize } from '../../auth/authorize.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Db } from '../../records/database.ts'
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
  db: Db,
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
  if (row === undefined || row.trashed_at !== null)
    throw new DormouseError('NotFound', 'no such thing, or not yours', { field })
  authorize(principal, 'filesystem:use', { groupId: row.group_id, ownerId: row.owner_id })
  return row
}

/** Of a snapshot of a filesystem that its caller may use. Errors: NotFound (also in the trash), Forbidden. */
export const createFork = async (
  db: Db,
  principal: Principal,
  from: { snapshotId: string; groupId: string; name: string; field: string },
): Promise<FilesystemRow> => {
  const snapshot = await findSnapshot(db, from.snapshotId)
  const origin = snapshot && (await findFilesystem(db, snapshot.filesystem_id))
  requireUsable(principal, origin, from.field)
  const row = await forkFilesystem(db, {
    snapshotId: from.snapshotId,
    groupId: from.groupId,
    ownerId: principal.userId,
    name: from.name,
    implicit: false,
  })
  await noteCreated(db, principal, row)
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

const noteCreated = (db: Db, principal: Principal, row: FilesystemRow): Promise<void> =>
  appendEvent(db, {
    groupId: row.group_id,
    type: 'filesystem.created',
    actor: principal.actor,
    data: { filesystemId: row.id, name: row.name, forkedFrom: row.forked_from },
  })
