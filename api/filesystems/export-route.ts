import type { FastifyReply } from 'fastify'
import { Type } from '@fastify/type-provider-typebox'
import { findSnapshot } from '../../records/snapshots.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { ById, Closed, Id } from '../schema.ts'
import { exportSnapshot } from './export.ts'
import { filesystemOf, onFilesystem } from './subject.ts'

/** A merge remembers many paths: see shadows.ts. */
const MOST_MERGES = 2
const BUSY_RETRY_S = 30
/** A client that takes nothing for this long holds up others. */
const STALLED_MS = 5 * 60_000

export const registerExport = (app: App, deps: AppDeps): void => {
  const merging = new Set<string>()

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
      // Who left while it was looked up has closed already, and would hold a place for ever.
      if (reply.raw.destroyed) return reply.send()
      const ended = new AbortController()
      reply.raw.once('close', () => ended.abort())
      if (snapshot.manifest.parts.length > 1) takeTurn(caller(request).userId, reply)
      const stream = await exportSnapshot(deps.store, snapshot.manifest, ended.signal)
      reply.raw.setTimeout(STALLED_MS, () => reply.raw.destroy())
      return reply
        .type('application/zstd')
        .header('cache-control', 'no-store')
        .header('content-disposition', `attachment; filename="${snapshot.id}.tar.zst"`)
        .send(stream)
    },
  )

  /** Until the answer is through. Errors: RateLimited. */
  const takeTurn = (userId: string, reply: FastifyReply): void => {
    if (merging.has(userId) || merging.size >= MOST_MERGES) {
      reply.header('retry-after', BUSY_RETRY_S)
      throw new DormouseError(
        'RateLimited',
        merging.has(userId)
          ? 'another export of yours is under way; wait until it is through'
          : 'this server is busy with other exports; try again in half a minute',
      )
    }
    merging.add(userId)
    reply.raw.once('close', () => merging.delete(userId))
  }
}
