import { Type } from '@fastify/type-provider-typebox'
import { imageJson, ImageName, ImageSchema } from '../images/schema.ts'
import { newId } from '../../records/ids.ts'
import { dropUnmadeImage, insertPendingImage } from '../../records/images.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { ById, Closed, NoBody } from '../schema.ts'
import { sendCommand } from './command.ts'
import { computeJson } from './json.ts'
import { SettlingCompute, Wait } from './schema.ts'
import { computeOf, loadCompute, onCompute } from './subject.ts'

const SavedCompute = Type.Intersect([
  SettlingCompute,
  Type.Object({ snapshot_id: Type.Optional(Type.String()) }),
])
const SettlingImage = Type.Intersect([ImageSchema, Type.Object({ settled: Type.Boolean() })])

/** What a running compute gives away without stopping: a snapshot of its files, an image of its packages. */
export const registerSaves = (app: App, deps: AppDeps): void => {
  const { db, config } = deps
  const tags = ['computes']
  const querystring = Closed({ wait: Wait })

  app.post(
    '/api/computes/:id/checkpoint',
    {
      config: { policy: onCompute(deps, 'compute:control') },
      schema: {
        tags,
        summary: 'Save the filesystem now, without stopping',
        params: ById,
        body: NoBody,
        querystring,
        response: { 200: SavedCompute, 202: SavedCompute },
      },
    },
    async (request, reply) => {
      const row = computeOf(request)
      const args = { cause: { reason: 'user', actor: caller(request).actor } as const }
      const { result, settled } = await sendCommand(
        deps,
        row,
        'checkpoint',
        args,
        request.query.wait,
      )
      return reply.code(settled ? 200 : 202).send({
        ...computeJson(await loadCompute(deps, row.id), config),
        settled,
        ...(result === undefined ? {} : { snapshot_id: result.snapshotId }),
      })
    },
  )

  app.post(
    '/api/computes/:id/commit',
    {
      config: { policy: onCompute(deps, 'compute:control') },
      schema: {
        tags,
        summary: 'Make an image of the installed packages (/opt/env)',
        params: ById,
        body: Closed({ name: ImageName }),
        querystring,
        response: { 200: SettlingImage, 202: SettlingImage },
      },
    },
    async (request, reply) => {
      const row = computeOf(request)
      const { name } = request.body
      const imageId = newId()
      const { actor, userId } = caller(request)
      await insertPendingImage(db, { imageId, compute: row, ownerId: userId, name })
      const args = { cause: { reason: 'user', actor } as const, imageId }
      const { settled } = await sendCommand(deps, row, 'commit', args, request.query.wait).catch(
        async (error: unknown) => {
          // Refused or failed: nothing will ever fill it. Not answered: the workflow may still be at it.
          if (error instanceof DormouseError && error.name !== 'Unavailable')
            await dropUnmadeImage(db, imageId)
          throw error
        },
      )
      const image = await db
        .selectFrom('images')
        .selectAll()
        .where('id', '=', imageId)
        .executeTakeFirstOrThrow()
      return reply.code(settled ? 200 : 202).send({ ...imageJson(image), settled })
    },
  )
}
