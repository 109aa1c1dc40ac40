import { Type } from '@fastify/type-provider-typebox'
import { findFilesystem } from '../../records/filesystems.ts'
import { listTrash, purgeFilesystem, untrashFilesystem } from '../../records/trash.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, groupsFor } from '../policy.ts'
import { ById, NoBody, onePage, PageOf } from '../schema.ts'
import { filesystemJson, FilesystemSchema } from './schema.ts'
import { filesystemOf, onFilesystem } from './subject.ts'

export const registerTrash = (app: App, deps: AppDeps): void => {
  const { db } = deps
  const tags = ['filesystems']

  app.get(
    '/api/trash',
    {
      config: { policy: { access: 'listing', action: 'filesystem:read' } },
      schema: { tags, response: { 200: PageOf(FilesystemSchema) } },
    },
    async (request) =>
      onePage((await listTrash(db, groupsFor(request, 'filesystem:read'))).map(filesystemJson)),
  )

  app.post(
    '/api/trash/:id/restore',
    {
      config: { policy: onFilesystem(deps, 'filesystem:delete', 'trash') },
      schema: { tags, params: ById, body: NoBody, response: { 200: FilesystemSchema } },
    },
    async (request) => {
      const { id } = filesystemOf(request)
      await untrashFilesystem(db, id, caller(request).actor)
      return filesystemJson((await findFilesystem(db, id)) ?? filesystemOf(request))
    },
  )

  app.delete(
    '/api/trash/:id',
    {
      config: { policy: onFilesystem(deps, 'filesystem:delete', 'trash') },
      schema: {
        tags,
        description: 'For good; there is no way back',
        params: ById,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await purgeFilesystem(db, filesystemOf(request).id, caller(request).actor)
      return reply.code(204).send(null)
    },
  )
}
