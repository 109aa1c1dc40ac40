import { Type } from '@fastify/type-provider-typebox'
import {
  DOOR_TICKET_LIFETIME_MS,
  issueDoorTicket,
  type DoorPurpose,
} from '../../auth/door-tickets.ts'
import { DormouseError } from '../../workflows/errors.ts'
import { portUrl } from '../computes/json.ts'
import { loadCompute } from '../computes/subject.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { Closed, Id } from '../schema.ts'
import type { ApiConfig } from '../../config/config.ts'

const DoorBody = Closed({
  compute_id: Id(),
  purpose: Type.Enum(['terminal', 'files', 'exec', 'port']),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
})

/** Tickets for what a browser opens without headers: sockets and pages of ports. */
export const registerDoors = (app: App, deps: AppDeps): void => {
  app.post(
    '/api/doors',
    {
      config: {
        policy: {
          access: 'resource',
          action: 'compute:use',
          find: async (request) => {
            const row = await loadCompute(deps, (request.body as { compute_id: string }).compute_id)
            return { groupId: row.group_id, ownerId: row.owner_id }
          },
        },
      },
      schema: {
        tags: ['doors'],
        summary: 'A ticket for one door of a compute: one use, 30 seconds',
        description:
          'A socket offers it as subprotocol `ticket.<ticket>`; the address of a port carries it already.',
        body: DoorBody,
        response: {
          201: Type.Object({
            ticket: Type.String(),
            url: Type.String(),
            expiresIn: Type.Integer({ description: 'Seconds' }),
          }),
        },
      },
    },
    async (request, reply) => {
      const { compute_id, purpose, port } = request.body
      if ((purpose === 'port') !== (port !== undefined))
        throw new DormouseError(
          'Invalid',
          'a port goes with the purpose `port`, and only with it',
          {
            field: 'port',
          },
        )
      const row = await loadCompute(deps, compute_id)
      const ticket = await issueDoorTicket(deps.db, {
        principal: caller(request),
        computeId: row.id,
        groupId: row.group_id,
        purpose: (purpose === 'port' ? `port:${port}` : purpose) as DoorPurpose,
      })
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({
          ticket,
          url: doorUrl(deps.config, row.id, purpose, port, ticket),
          expiresIn: DOOR_TICKET_LIFETIME_MS / 1000,
        })
    },
  )
}

const doorUrl = (
  config: ApiConfig,
  computeId: string,
  purpose: 'terminal' | 'files' | 'exec' | 'port',
  port: number | undefined,
  ticket: string,
): string => {
  if (port !== undefined)
    return `${portUrl(config, computeId, port)}/.dormouse/enter?ticket=${ticket}`
  const base = `${config.gatewayOrigin}/compute/${computeId}`
  if (purpose === 'exec') return `${base}/exec`
  return `${base.replace(/^http/, 'ws')}/${purpose === 'files' ? 'files/watch' : 'terminal'}`
}
