import type { Selectable } from 'kysely'
import { DormouseError } from '../workflows/errors.ts'
import type { Queryable } from './database.ts'
import { newId } from './ids.ts'
import type { FilesystemsTable } from './schema.ts'

export type FilesystemRow = Selectable<FilesystemsTable>

export const insertFilesystem = (
  tx: Queryable,
  filesystem: {
    groupId: string
    ownerId: string
    name: string | null
    implicit: boolean
    imageDigest: string
    forkedFrom?: string
  },
): Promise<FilesystemRow> =>
  tx
    .insertInto('filesystems')
    .values({
      id: newId(),
      group_id: filesystem.groupId,
      owner_id: filesystem.ownerId,
      name: filesystem.name,
      implicit: filesystem.implicit,
      image_digest: filesystem.imageDigest,
      forked_from: filesystem.forkedFrom ?? null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()

export const findFilesystem = (db: Queryable, id: string): Promise<FilesystemRow | undefined> =>
  db.selectFrom('filesystems').selectAll().where('id', '=', id).executeTakeFirst()

/** Until this transaction ends nobody moves it to the trash or empties it. */
export const findFilesystemInUse = (
  tx: Queryable,
  id: string,
): Promise<FilesystemRow | undefined> =>
  tx.selectFrom('filesystems').selectAll().where('id', '=', id).forShare().executeTakeFirst()

export const lockFilesystem = async (tx: Queryable, id: string): Promise<FilesystemRow> => {
  const row = await tx
    .selectFrom('filesystems')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw new DormouseError('NotFound', `filesystem ${id} does not exist`)
  return row
}
