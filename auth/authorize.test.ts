import { describe, expect, it } from 'vitest'
import type { Role } from '../records/schema.ts'
import { authorize, canSee, defaultGroupId, type Action } from './authorize.ts'
import type { Principal } from './principal.ts'

const person = (role?: Role): Principal => ({
  kind: 'user',
  userId: 'me',
  email: 'me@example.com',
  groups: role === undefined ? [] : [{ groupId: 'g', role }],
  personalGroupId: 'mine',
  operator: false,
  actor: 'user:me',
})
const answer = (role: Role | undefined, action: Action, ownerId = 'other') => {
  try {
    authorize(person(role), action, { groupId: 'g', ownerId })
    return 'yes'
  } catch (error) {
    return (error as Error).name
  }
}

describe('authorize', () => {
  it.each<[Action, string, string, string, string]>([
    ['compute:read', 'NotFound', 'yes', 'yes', 'yes'],
    ['compute:use', 'NotFound', 'Forbidden', 'yes', 'yes'],
    ['compute:create', 'NotFound', 'Forbidden', 'yes', 'yes'],
    ['compute:control', 'NotFound', 'Forbidden', 'yes', 'yes'],
    ['compute:delete', 'NotFound', 'Forbidden', 'Forbidden', 'yes'],
    ['filesystem:read', 'NotFound', 'yes', 'yes', 'yes'],
    ['filesystem:use', 'NotFound', 'Forbidden', 'yes', 'yes'],
    ['filesystem:delete', 'NotFound', 'Forbidden', 'Forbidden', 'yes'],
    ['image:read', 'NotFound', 'yes', 'yes', 'yes'],
    ['image:delete', 'NotFound', 'Forbidden', 'Forbidden', 'yes'],
    ['group:manage', 'NotFound', 'Forbidden', 'Forbidden', 'yes'],
    ['operator', 'Forbidden', 'Forbidden', 'Forbidden', 'Forbidden'],
  ])('%s: stranger %s, viewer %s, member %s, owner %s', (action, ...expected) => {
    const roles = [undefined, 'viewer', 'member', 'owner'] as const
    expect(roles.map((role) => answer(role, action))).toEqual(expected)
  })

  it('lets members delete what is theirs, and viewers nothing', () => {
    expect(answer('member', 'compute:delete', 'me')).toBe('yes')
    expect(answer('viewer', 'compute:delete', 'me')).toBe('Forbidden')
    expect(answer(undefined, 'compute:delete', 'me')).toBe('NotFound')
  })

  it('gives operators no way into a group', () => {
    const operator = { ...person(), operator: true }
    expect(() => authorize(operator, 'operator', { groupId: 'g' })).not.toThrow()
    expect(() => authorize(operator, 'compute:read', { groupId: 'g' })).toThrow('not yours')
    expect(canSee(operator, 'g')).toBe(false)
  })

  it('puts what a key makes into the group of the key', () => {
    expect(defaultGroupId(person('member'))).toBe('mine')
    expect(defaultGroupId({ ...person('member'), kind: 'key' })).toBe('g')
  })
})
