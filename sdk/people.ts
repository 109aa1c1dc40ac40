import type { Http } from './http.ts'
import type { ApiKey, Group, Member, NewApiKey, NewUser, Page, Role } from './types.ts'

/** Groups of the caller and who is in them. */
export const groupsOf = (api: Http) => ({
  list: () => api.json<Page<Group>>('GET', '/api/groups'),
  create: (group: { name: string }) => api.json<Group>('POST', '/api/groups', { json: group }),
  members: (id: string) => api.json<Page<Member>>('GET', `/api/groups/${id}/members`),
  /** Adds the user of that email, or changes the role. */
  setMember: (id: string, member: { email: string; role: Role }) =>
    api.json<Member>('PUT', `/api/groups/${id}/members`, { json: member }),
  removeMember: (id: string, userId: string) =>
    api.send('DELETE', `/api/groups/${id}/members/${userId}`).then(() => undefined),
})

/** The caller's own; never by an API key. */
export const apiKeysOf = (api: Http) => ({
  list: () => api.json<Page<ApiKey>>('GET', '/auth/api-keys'),
  /** `key` is the secret, and in no later answer. */
  create: (key: NewApiKey) =>
    api.json<ApiKey & { readonly key: string }>('POST', '/auth/api-keys', { json: key }),
  revoke: (id: string) => api.send('DELETE', `/auth/api-keys/${id}`).then(() => undefined),
})

/** For operators alone. */
export const usersOf = (api: Http) => ({
  create: (user: NewUser) =>
    api.json<{ readonly id: string; readonly personal_group_id: string }>('POST', '/api/users', {
      json: user,
    }),
})
