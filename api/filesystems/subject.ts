import type { FastifyRequest } from 'fastify'
import type { GroupAction } from '../../auth/authorize.ts'
import { findFilesystem, type FilesystemRow } from '../../records/filesystems.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { AppDeps } from '../deps.ts'
import type { Policy } from '../policy.ts'

const loaded = new WeakMap<FastifyRequest, FilesystemRow>()

/** Policy of `/:id…` routes over filesystems that are, or are not, in the trash. */
export const onFilesystem = (
  { db }: Pick<AppDeps, 'db'>,
  action: GroupAction,
  where: 'alive' | 'trash' = 'alive',
): Policy => ({
  access: 'resource',
  action,
  find: async (request) => {
    const row = await findFilesystem(db, (request.params as { id: string }).id)
    if (row === undefined || (row.trashed_at !== null) !== (where === 'trash'))
      throw new DormouseError('NotFound', 'no such thing, or not yours')
    loaded.set(request, row)
    return { groupId: row.group_id, ownerId: row.owner_id }
  },
})

export const filesystemOf = (request: FastifyRequest): FilesystemRow => {
  const row = loaded.get(request)
  if (row === undefined) throw new Error('the route of this handler has no onFilesystem policy')
  return row
}
