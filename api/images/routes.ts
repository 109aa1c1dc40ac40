import { Type } from '@fastify/type-provider-typebox'
import { appendEvent } from '../../records/events.ts'
import {
  computesOfImage,
  deleteImage,
  findImageRow,
  listImages,
  runsOn,
} from '../../records/images.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, groupsFor } from '../policy.ts'
import { ById, Closed, Id, onePage, PageOf } from '../schema.ts'
import { imageJson, ImageSchema } from './schema.ts'

export const registerImages = (app: App, { db, runtime }: AppDeps): void => {
  const tags = ['images']

  app.get(
    '/api/images',
    {
      config: { policy: { access: 'listing', action: 'image:read' } },
      schema: {
        tags,
        querystring: Closed({ group_id: Type.Optional(Id()) }),
        response: { 200: PageOf(ImageSchema) },
      },
    },
    async (request) => {
      const groups = groupsFor(request, 'image:read', request.query.group_id)
      const images = await listImages(db, groups)
      const usable = images.filter((row) => row.group_id !== null || runsOn(row.base, runtime))
      return onePage(usable.map(imageJson))
    },
  )

  app.delete(
    '/api/images/:id',
    {
      config: {
        policy: {
          access: 'resource',
          action: 'image:delete',
          find: async (request) => {
            const image = await findImageRow(db, (request.params as { id: string }).id)
            if (image === undefined) throw new DormouseError('NotFound', 'no such image')
            if (image.group_id === null)
              throw new DormouseError('Forbidden', 'images of the platform are not deleted here')
            return { groupId: image.group_id, ownerId: image.owner_id }
          },
        },
      },
      schema: { tags, params: ById, response: { 204: Type.Null() } },
    },
    async (request, reply) => {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const image = await tx
          .selectFrom('images')
          .selectAll()
          .where('id', '=', id)
          .forUpdate()
          .executeTakeFirstOrThrow()
        const users = await computesOfImage(tx, id)
        if (users.length > 0)
          throw new DormouseError('InvalidState', `computes start from it: ${users.join(', ')}`, {
            computes: users,
          })
        await deleteImage(tx, id)
        await appendEvent(tx, {
          groupId: image.group_id ?? '',
          type: 'image.deleted',
          actor: caller(request).actor,
          data: { imageId: id, name: image.name },
        })
      })
      return reply.code(204).send(null)
    },
  )
}
