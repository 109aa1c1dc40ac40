import type { Role } from '../records/schema.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { Principal } from './principal.ts'

const RANK = { viewer: 1, member: 2, owner: 3 } as const satisfies Record<Role, number>

/**
 * Least role in the resource's group for each action. `own`: enough when the resource is the caller's
 * own. `person`: never by an API key, for what it changed would outlive its revocation.
 */
const NEEDED = {
  'compute:read': { role: 'viewer' },
  /** Terminals, commands, files, ports. */
  'compute:use': { role: 'member' },
  'compute:create': { role: 'member' },
  /** Hibernate, wake, extend, schedule, checkpoint, commit, retry, port doors. */
  'compute:control': { role: 'member' },
  'compute:delete': { role: 'owner', own: 'member' },
  'filesystem:read': { role: 'viewer' },
  /** Attach to a compute, fork, export. */
  'filesystem:use': { role: 'member' },
  'filesystem:create': { role: 'member' },
  /** Restore a snapshot. */
  'filesystem:control': { role: 'member' },
  /** To trash, out of trash, and for good. */
  'filesystem:delete': { role: 'owner', own: 'member' },
  'image:read': { role: 'viewer' },
  'image:create': { role: 'member' },
  'image:delete': { role: 'owner', own: 'member' },
  'group:read': { role: 'viewer' },
  /** Members and their roles. */
  'group:manage': { role: 'owner', person: true },
} as const satisfies Record<string, { role: Role; own?: Role; person?: true }>

export type GroupAction = keyof typeof NEEDED
/** `operator` is the one action that no group grants. */
export type Action = GroupAction | 'operator'

export interface Resource {
  readonly groupId: string
  /** User id of the one who made it. */
  readonly ownerId?: string | null
}

/**
 * The one decision under every door. NotFound when the caller is not in the resource's group (it
 * must look as if nothing were there), Forbidden when the role is too low.
 */
export const authorize = (principal: Principal, action: Action, resource: Resource): void => {
  if (action === 'operator') {
    if (!principal.operator) throw new DormouseError('Forbidden', 'only operators may do this')
    return
  }
  const role = roleIn(principal, resource.groupId)
  if (role === undefined) throw new DormouseError('NotFound', 'no such thing, or not yours')
  const needed: { role: Role; own?: Role; person?: true } = NEEDED[action]
  if (needed.person && principal.kind === 'key')
    throw new DormouseError('Forbidden', 'an API key may not do this; log in')
  const isOwn = resource.ownerId === principal.userId
  const least = isOwn && needed.own !== undefined ? needed.own : needed.role
  if (RANK[role] < RANK[least])
    throw new DormouseError('Forbidden', `${action} needs the role ${least}; yours is ${role}`)
}

/** Whether the caller may know that something of this group exists. */
export const canSee = (principal: Principal, groupId: string): boolean =>
  roleIn(principal, groupId) !== undefined

/** Where things go when no group is named: the person's own, or the API key's. */
export const defaultGroupId = (principal: Principal): string =>
  principal.kind === 'key'
    ? (principal.groups[0]?.groupId ?? principal.personalGroupId)
    : principal.personalGroupId

const roleIn = (principal: Principal, groupId: string): Role | undefined =>
  principal.groups.find((group) => group.groupId === groupId)?.role
