import { Type } from '@fastify/type-provider-typebox'
import { CURSOR } from '../../records/events.ts'
import { Closed, Nullable, Shaped, Timestamp } from '../schema.ts'

export const EventSchema = Type.Object({
  cursor: Type.String(),
  groupId: Type.String(),
  computeId: Nullable(Type.String()),
  generation: Nullable(Type.Integer()),
  type: Type.String(),
  state: Nullable(Type.String()),
  reason: Nullable(Type.String()),
  actor: Type.String(),
  data: Type.Record(Type.String(), Type.Unknown()),
  at: Timestamp,
})

const Cursor = Shaped(CURSOR, 'the cursor of an event, or a `next_cursor`')

export const EventsQuery = Closed({
  after: Type.Optional(Cursor),
  cursor: Type.Optional(Cursor),
  tail: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      description: 'The newest so many; `next_cursor` is where a stream goes on from them',
    }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Default 100' })),
})

export const EventsHeaders = Type.Object({ 'last-event-id': Type.Optional(Cursor) })
