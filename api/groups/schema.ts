import { Type } from '@fastify/type-provider-typebox'

export const RoleSchema = Type.Enum(['owner', 'member', 'viewer'])
