import { Type } from '@fastify/type-provider-typebox'
import { defaultGroupId } from '../../auth/authorize.ts'
import type { Principal } from '../../auth/principal.ts'
import { appendEvent } from '../../records/events.ts'
import {
  computesOfImage,
  deleteImage,
  findImageRow,
  insertRegistryImage,
  listImages,
  runsOn,
} from '../../records/images.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, groupsFor } from '../policy.ts'
import { ById, Closed, Id, onePage, PageOf } from '../schema.ts'
import { comesFrom } from './sources.ts'
import { imageJson, ImageSchema, NewImage } from './schema.ts'

export const registerImages = (app: App, { db, runtime, config }: AppDeps): void => {
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

  app.get(
    '/api/images/:id',
    {
      config: {
        policy: {
          access: 'resource',
          action: 'image:read',
          find: async (request) => {
            const image = await findImageRow(db, (request.params as { id: string }).id)
            if (image === undefined) throw new DormouseError('NotFound', 'no such image')
            // Everybody may read those of the platform.
            return { groupId: image.group_id ?? defaultGroupId(caller(request)) }
          },
        },
      },
      schema: {
        tags,
        summary: 'One image, with the packages that were found in it',
        params: ById,
        response: { 200: ImageSchema },
      },
    },
    async (request) => {
      const image = await findImageRow(db, request.params.id)
      if (image === undefined) throw new DormouseError('NotFound', 'no such image')
      return imageJson(image)
    },
  )

  app.post(
    '/api/images',
    {
      config: {
        policy: {
          access: 'resource',
          action: 'image:create',
          find: (request) => ({
            groupId:
              (request.body as { group_id?: string }).group_id ?? defaultGroupId(caller(request)),
          }),
        },
      },
      schema: {
        tags,
        description: 'An image that a registry has, for computes on kubernetes',
        body: NewImage,
        response: { 201: ImageSchema },
      },
    },
    async (request, reply) => {
      const principal = caller(request)
      const { name, reference, group_id: groupId = defaultGroupId(principal) } = request.body
      checkSource(principal, reference)
      const row = await db.transaction().execute(async (tx) => {
        const image = { groupId, ownerId: principal.userId, name, reference }
        const made = await insertRegistryImage(tx, image)
        const data = { imageId: made.id, name, reference }
        await appendEvent(tx, { groupId, type: 'image.created', actor: principal.actor, data })
        return made
      })
      return reply.code(201).send(imageJson(row))
    },
  )

  /** Whoever may name an image makes the cluster fetch from where it says. */
  const checkSource = (principal: Principal, reference: string): void => {
    if (!runsOn(reference, runtime))
      throw new DormouseError(
        'Invalid',
        `the ${runtime} runtime starts from no registry image; kubernetes does`,
        { field: 'reference' },
      )
    const allowed = config.imageSources
    if (principal.operator || allowed.some((one) => comesFrom(reference, one))) return
    throw new DormouseError(
      'Forbidden',
      `images of ${reference} are not allowed here; operators allow sources with DORMOUSE_IMAGE_SOURCES`,
      { field: 'reference' },
    )
  }

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
