import { Type } from '@fastify/type-provider-typebox'
import { findSnapshot } from '../../records/filesystems.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { ById, Closed, Id } from '../schema.ts'
import { exportSnapshot } from './export.ts'
import { filesystemOf, onFilesystem } from './subject.ts'

export const registerExport = (app: App, deps: AppDeps): void => {
  app.get(
    '/api/filesystems/:id/export',
    {
      config: { policy: onFilesystem(deps, 'filesystem:use') },
      schema: {
        tags: ['filesystems'],
        summary: 'The files of a snapshot (default: the head) as .tar.zst',
        params: ById,
        querystring: Closed({ snapshot: Type.Optional(Id()) }),
        produces: ['application/zstd'],
      },
    },
    async (request, reply) => {
      const filesystem = filesystemOf(request)
      const id = request.query.snapshot ?? filesystem.head_snapshot_id
      const snapshot = id === null ? undefined : await findSnapshot(deps.db, id)
      if (snapshot?.filesystem_id !== filesystem.id)
        throw new DormouseError('NotFound', 'nothing of this filesystem is saved under that name', {
          field: 'snapshot',
        })
      const ended = new AbortController()
      reply.raw.once('close', () => ended.abort())
      const stream = await exportSnapshot(deps.store, snapshot.manifest, ended.signal)
      return reply
        .type('application/zstd')
        .header('cache-control', 'no-store')
        .header('content-disposition', `attachment; filename="${snapshot.id}.tar.zst"`)
        .send(stream)
    },
  )
}
