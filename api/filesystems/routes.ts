import { Type } from '@fastify/type-provider-typebox'
import { defaultGroupId } from '../../auth/authorize.ts'
import type { Principal } from '../../auth/principal.ts'
import { findFilesystem, type FilesystemRow } from '../../records/filesystems.ts'
import { restoreSnapshot } from '../../records/restore-snapshot.ts'
import { findSnapshot, listSnapshots } from '../../records/snapshots.ts'
import { trashFilesystem } from '../../records/trash.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, groupsFor } from '../policy.ts'
import { ById, Closed, Id, Name, onePage, Page, PageOf } from '../schema.ts'
import { createEmpty, createFork, headOf } from './create.ts'
import { filesystemJson, FilesystemSchema, snapshotJson, SnapshotSchema } from './schema.ts'
import { filesystemOf, onFilesystem } from './subject.ts'

const DEFAULT_PAGE = 50

export const registerFilesystems = (app: App, deps: AppDeps): void => {
  const { db } = deps
  const tags = ['filesystems']
  const fork = (
    principal: Principal,
    from: Omit<Parameters<typeof createFork>[2], 'implicit'>,
  ): Promise<FilesystemRow> =>
    db.transaction().execute((tx) => createFork(tx, principal, { ...from, implicit: false }))

  app.get(
    '/api/filesystems',
    {
      config: { policy: { access: 'listing', action: 'filesystem:read' } },
      schema: {
        tags,
        querystring: Closed({ ...Page, group_id: Type.Optional(Id()) }),
        response: { 200: PageOf(FilesystemSchema) },
      },
    },
    async (request) => {
      const { group_id, cursor, limit = DEFAULT_PAGE } = request.query
      const groupIds = groupsFor(request, 'filesystem:read', group_id)
      if (groupIds.length === 0) return onePage([])
      let select = db
        .selectFrom('filesystems')
        .selectAll()
        .where('group_id', 'in', [...groupIds])
        .where('trashed_at', 'is', null)
        .orderBy('id')
        .limit(limit + 1)
      if (cursor !== undefined) select = select.where('id', '>', cursor)
      const rows = await select.execute()
      const page = rows.slice(0, limit)
      return {
        items: page.map(filesystemJson),
        next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      }
    },
  )

  app.post(
    '/api/filesystems',
    {
      config: {
        policy: {
          access: 'resource',
          action: 'filesystem:create',
          find: (request) => ({
            groupId:
              (request.body as { group_id?: string }).group_id ?? defaultGroupId(caller(request)),
          }),
        },
      },
      schema: {
        tags,
        description: 'Empty, or a fork of a snapshot or of the head of another filesystem',
        body: Closed({
          name: Name,
          group_id: Type.Optional(Id()),
          from_snapshot: Type.Optional(Id()),
          from_filesystem: Type.Optional(Id()),
        }),
        response: { 201: FilesystemSchema },
      },
    },
    async (request, reply) => {
      const principal = caller(request)
      const { name, from_snapshot, from_filesystem } = request.body
      const groupId = request.body.group_id ?? defaultGroupId(principal)
      if (from_snapshot !== undefined && from_filesystem !== undefined)
        throw new DormouseError('Invalid', 'say from_snapshot or from_filesystem, not both', {
          field: 'from_snapshot',
        })
      const snapshotId =
        from_filesystem === undefined
          ? from_snapshot
          : await headOf(db, principal, from_filesystem, 'from_filesystem')
      const row =
        snapshotId === undefined
          ? await createEmpty(deps, principal, groupId, name)
          : await fork(principal, { snapshotId, groupId, name, field: 'from_snapshot' })
      return reply.code(201).send(filesystemJson(row))
    },
  )

  app.get(
    '/api/filesystems/:id',
    {
      config: { policy: onFilesystem(deps, 'filesystem:read') },
      schema: { tags, params: ById, response: { 200: FilesystemSchema } },
    },
    async (request) => filesystemJson(filesystemOf(request)),
  )

  app.get(
    '/api/filesystems/:id/snapshots',
    {
      config: { policy: onFilesystem(deps, 'filesystem:read') },
      schema: { tags, params: ById, response: { 200: PageOf(SnapshotSchema) } },
    },
    async (request) =>
      onePage((await listSnapshots(db, filesystemOf(request).id)).map(snapshotJson)),
  )

  app.post(
    '/api/filesystems/:id/restore',
    {
      config: { policy: onFilesystem(deps, 'filesystem:control') },
      schema: {
        tags,
        description: 'Makes an older snapshot the head; history only grows',
        params: ById,
        body: Closed({ snapshot_id: Id() }),
        response: { 200: FilesystemSchema },
      },
    },
    async (request) => {
      const { id } = filesystemOf(request)
      await restoreSnapshot(db, {
        filesystemId: id,
        snapshotId: request.body.snapshot_id,
        actor: caller(request).actor,
      })
      return filesystemJson((await findFilesystem(db, id)) ?? filesystemOf(request))
    },
  )

  app.post(
    '/api/filesystems/:id/fork',
    {
      config: { policy: onFilesystem(deps, 'filesystem:use') },
      schema: {
        tags,
        params: ById,
        body: Closed({ name: Type.Optional(Name), snapshot_id: Type.Optional(Id()) }),
        response: { 201: FilesystemSchema },
      },
    },
    async (request, reply) => {
      const principal = caller(request)
      const origin = filesystemOf(request)
      const { snapshot_id } = request.body
      const snapshotId = snapshot_id ?? (await headOf(db, principal, origin.id, 'snapshot_id'))
      const snapshot = await findSnapshot(db, snapshotId)
      if (snapshot?.filesystem_id !== origin.id)
        throw new DormouseError('NotFound', 'this filesystem has no such snapshot', {
          field: 'snapshot_id',
        })
      const row = await fork(principal, {
        snapshotId,
        groupId: origin.group_id,
        name: request.body.name ?? `${origin.name ?? origin.id}-fork`,
        field: 'snapshot_id',
      })
      return reply.code(201).send(filesystemJson(row))
    },
  )

  app.delete(
    '/api/filesystems/:id',
    {
      config: { policy: onFilesystem(deps, 'filesystem:delete') },
      schema: {
        tags,
        description: 'Into the trash, from which it can be restored for 7 days',
        params: ById,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await trashFilesystem(db, filesystemOf(request).id, caller(request).actor)
      return reply.code(204).send(null)
    },
  )
}
