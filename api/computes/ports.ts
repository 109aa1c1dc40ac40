import { Type } from '@fastify/type-provider-typebox'
import { appendEvent } from '../../records/events.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { ById, Closed, Id, onePage, PageOf } from '../schema.ts'
import { DormouseError } from '../../workflows/errors.ts'
import { portUrl } from './json.ts'
import { PortDoorSchema } from './schema.ts'
import { computeOf, onCompute } from './subject.ts'

/** Who may open which port of a compute through the gateway. A port nobody spoke of is private. */
export const registerPorts = (app: App, deps: AppDeps): void => {
  const { db, config } = deps
  const tags = ['computes']

  app.get(
    '/api/computes/:id/ports',
    {
      config: { policy: onCompute(deps, 'compute:read') },
      schema: { tags, params: ById, response: { 200: PageOf(PortDoorSchema) } },
    },
    async (request) => {
      const { id } = computeOf(request)
      const rows = await db
        .selectFrom('port_doors')
        .select(['port', 'visibility'])
        .where('compute_id', '=', id)
        .orderBy('port')
        .execute()
      return onePage(rows.map((row) => ({ ...row, url: portUrl(config, id, row.port) })))
    },
  )

  app.put(
    '/api/computes/:id/ports/:port',
    {
      config: { policy: onCompute(deps, 'compute:control') },
      schema: {
        tags,
        // As text: a number would be read from 0x50 and 8e1 too.
        params: Closed({ id: Id(), port: Type.String({ pattern: '^[1-9]\\d{0,4}$' }) }),
        body: Closed({ visibility: Type.Enum(['private', 'group', 'public']) }),
        response: { 200: PortDoorSchema },
      },
    },
    async (request) => {
      const compute = computeOf(request)
      const port = portNumber(request.params.port)
      const { visibility } = request.body
      await db.transaction().execute(async (tx) => {
        await tx
          .insertInto('port_doors')
          .values({ compute_id: compute.id, port, group_id: compute.group_id, visibility })
          .onConflict((on) => on.columns(['compute_id', 'port']).doUpdateSet({ visibility }))
          .execute()
        await appendEvent(tx, {
          groupId: compute.group_id,
          computeId: compute.id,
          generation: compute.generation,
          type: 'port.visibility',
          actor: caller(request).actor,
          data: { port, visibility },
        })
      })
      return { port, visibility, url: portUrl(config, compute.id, port) }
    },
  )
}

const portNumber = (text: string): number => {
  const port = Number(text)
  if (port > 65_535) throw new DormouseError('NotFound', `${text} is no port`)
  return port
}
