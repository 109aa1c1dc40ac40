import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mintAccessToken } from '../auth/access-token.ts'
import { revokeSession } from '../auth/refresh.ts'
import { newId } from '../records/ids.ts'
import { buildApp } from './app.ts'
import type { Policy, RoutePolicy } from './policy.ts'
import { startHarness, type Harness, type Person } from './testing/harness.ts'

/** S1: every route of the API × everyone who may not call it, made from the route table itself. */
let api: Harness
let owner: Person
let viewer: Person
let stranger: Person
let revoked: string
let revokedKey: string
let expiredKey: string
let expired: string
let computeId: string
let filesystemId: string
let trashedId: string
let imageId: string
let keyId: string

beforeAll(async () => {
  api = await startHarness()
  owner = await api.person('owner')
  viewer = await api.person('viewer')
  stranger = await api.person('stranger')
  await api.join(viewer, owner.groupId, 'viewer')
  const other = await api.person('other')
  await api.join(other, owner.groupId, 'owner')
  await revokeSession(api.db, other.sessionId)
  revoked = other.token
  revokedKey = await api.apiKey(owner, { revokedAt: new Date() })
  expiredKey = await api.apiKey(owner, { expiresAt: new Date(Date.now() - 1000) })
  expired = await mintAccessToken(api.deps.keys, owner, -1)

  computeId = (await api.send('POST', '/api/computes', owner.token, {})).body.id
  const filesystem = (name: string) => api.send('POST', '/api/filesystems', owner.token, { name })
  filesystemId = (await filesystem('kept')).body.id
  trashedId = (await filesystem('thrown')).body.id
  await api.send('DELETE', `/api/filesystems/${trashedId}`, owner.token)
  imageId = newId()
  await api.db
    .insertInto('images')
    .values({
      id: imageId,
      group_id: owner.groupId,
      owner_id: owner.userId,
      name: 'own',
      state: 'ready',
      base: 'host',
      digest: 'x',
      problem: null,
      created_by_compute: null,
    })
    .execute()
  keyId = (await api.send('POST', '/auth/api-keys', owner.token, { name: 'k' })).body.id
})
afterAll(() => api.stop())

const routes = async (): Promise<readonly RoutePolicy[]> =>
  api.routes.filter(({ url }) => !url.startsWith('/docs'))

/** A request that is right in everything but who sends it. */
const requestFor = ({ method, url }: RoutePolicy): { url: string; body?: unknown } => {
  const path = url
    .replace('/api/filesystems/:id', `/api/filesystems/${filesystemId}`)
    .replace('/api/trash/:id', `/api/trash/${trashedId}`)
    .replace('/api/images/:id', `/api/images/${imageId}`)
    .replace('/api/groups/:id', `/api/groups/${owner.groupId}`)
    .replace('/auth/api-keys/:id', `/auth/api-keys/${keyId}`)
    .replace(':user_id', viewer.userId)
    .replace(':port', '3000')
    .replace(':id', computeId)
  const body = BODIES[`${method} ${url}`]
  return { url: path, ...(body === undefined ? {} : { body: body() }) }
}
const BODIES: Record<string, () => unknown> = {
  'POST /api/computes': () => ({ group_id: owner.groupId }),
  'POST /api/computes/:id/extend': () => ({ lifetime: 60 }),
  'PUT /api/computes/:id/schedule': () => ({ schedule: null }),
  'POST /api/computes/:id/commit': () => ({ name: 'image' }),
  'PUT /api/computes/:id/ports/:port': () => ({ visibility: 'public' }),
  'POST /api/images': () => ({
    name: 'theirs',
    reference: 'docker.io/library/debian:12',
    group_id: owner.groupId,
  }),
  'POST /api/filesystems': () => ({ name: 'new', group_id: owner.groupId }),
  'POST /api/filesystems/:id/restore': () => ({ snapshot_id: newId() }),
  'POST /api/filesystems/:id/fork': () => ({}),
  'PUT /api/groups/:id/members': () => ({ email: stranger.email, role: 'owner' }),
  'POST /api/groups': () => ({ name: 'new' }),
  'POST /api/doors': () => ({ compute_id: computeId, purpose: 'terminal' }),
  'POST /auth/api-keys': () => ({ name: 'k' }),
  'POST /api/users': () => ({ email: 'new@example.com', password: 'a long password' }),
  'POST /auth/login': () => ({ email: 'a@example.com', password: 'wrong' }),
}
const ask = (route: RoutePolicy, token?: string) => {
  const { url, body } = requestFor(route)
  return api.send(route.method, url, token, body)
}
const needsRole = (policy: Policy, role: 'viewer' | 'more'): boolean =>
  policy.access === 'resource' && policy.action.endsWith(':read') === (role === 'viewer')

describe('every route', () => {
  it('declares a policy; one that does not keeps the API from starting', async () => {
    expect((await routes()).length).toBeGreaterThan(40)
    const { app } = await buildApp({
      ...api.deps,
      metrics: new (await import('prom-client')).Registry(),
    })
    expect(() => app.get('/api/forgotten', async () => 'open')).toThrow(/declares no policy/)
    await app.close()
  })

  it('is public only if it is one of these', async () => {
    const open = (await routes()).filter(({ policy }) => policy.access === 'public')
    expect(open.map(({ method, url }) => `${method} ${url}`).sort()).toEqual([
      'GET /api/platform',
      'GET /healthz',
      'GET /metrics',
      'GET /openapi.json',
      'GET /readyz',
      'POST /auth/login',
      'POST /auth/logout',
      'POST /auth/refresh',
    ])
  })

  it('answers 401 to nobody, to a revoked login, to expired tokens, to revoked and expired keys', async () => {
    for (const route of await routes()) {
      if (route.policy.access === 'public') continue
      const tokens = { nobody: undefined, revoked, expired, revokedKey, expiredKey, noise: 'x.y.z' }
      for (const [who, token] of Object.entries(tokens)) {
        const answer = await ask(route, token)
        expect(answer.status, `${route.method} ${route.url} as ${who}`).toBe(401)
        expect(answer.body.code).toBe('Unauthenticated')
      }
    }
  })

  it('over something of a group looks empty to a stranger', async () => {
    for (const route of await routes()) {
      if (route.policy.access !== 'resource') continue
      const answer = await ask(route, stranger.token)
      expect(answer.status, `${route.method} ${route.url}: ${answer.text}`).toBe(404)
      expect(answer.body.code).toBe('NotFound')
    }
  })

  it('that lists shows a stranger nothing of another group', async () => {
    for (const route of await routes()) {
      if (route.policy.access !== 'listing') continue
      const answer = await ask(route, stranger.token)
      expect(answer.status, route.url).toBe(200)
      for (const secret of [owner.groupId, computeId, filesystemId, trashedId, imageId])
        expect(answer.text, route.url).not.toContain(secret)
    }
  })

  it('that changes or uses something is forbidden to viewers', async () => {
    for (const route of await routes()) {
      if (!needsRole(route.policy, 'more')) continue
      const answer = await ask(route, viewer.token)
      expect(answer.status, `${route.method} ${route.url}: ${answer.text}`).toBe(403)
    }
  })

  it('that reads lets viewers read', async () => {
    for (const route of await routes()) {
      if (!needsRole(route.policy, 'viewer')) continue
      if (route.url.endsWith('/events')) continue
      const answer = await ask(route, viewer.token)
      expect(answer.status, `${route.method} ${route.url}: ${answer.text}`).toBe(200)
    }
  })

  it('for operators is forbidden to everyone else, and for persons to API keys', async () => {
    const key = await api.apiKey(owner)
    const of = async (...access: string[]) =>
      (await routes()).filter(({ policy }) => access.includes(policy.access))
    for (const route of await of('operator'))
      expect((await ask(route, owner.token)).status, route.url).toBe(403)
    for (const route of await of('operator', 'person'))
      expect((await ask(route, key)).status, route.url).toBe(403)
  })

  it('changed nothing of all this', async () => {
    const compute = await api.send('GET', `/api/computes/${computeId}`, owner.token)
    expect(compute.body).toMatchObject({ state: 'running', delete_requested: false })
    expect(api.doors.commands).toEqual([])
    const members = await api.send('GET', `/api/groups/${owner.groupId}/members`, owner.token)
    expect(members.body.items).toHaveLength(3)
  })
})

describe('an API key', () => {
  it('sees the group it was made for and no other of its person', async () => {
    const group = await api.send('POST', '/api/groups', owner.token, { name: 'second' })
    const key = await api.send('POST', '/auth/api-keys', owner.token, {
      name: 'second',
      groupId: group.body.id,
    })
    const made = await api.send('POST', '/api/computes', key.body.key, {})
    expect(made.body.group_id).toBe(group.body.id)
    expect((await api.send('GET', `/api/computes/${computeId}`, key.body.key)).status).toBe(404)
    const listed = await api.send('GET', '/api/computes', key.body.key)
    expect(listed.body.items.map(({ id }: { id: string }) => id)).toEqual([made.body.id])
    await api.send('DELETE', `/auth/api-keys/${key.body.id}`, owner.token)
    expect((await api.send('GET', '/api/computes', key.body.key)).status).toBe(401)
  })
})

describe('a group', () => {
  it('takes and loses members by people only: what a key changed would outlive it', async () => {
    const group = (await api.send('POST', '/api/groups', owner.token, { name: 'keyed' })).body.id
    const made = { name: 'k', groupId: group }
    const { key } = (await api.send('POST', '/auth/api-keys', owner.token, made)).body
    const path = `/api/groups/${group}/members`
    const member = { email: stranger.email, role: 'owner' }
    expect((await api.send('PUT', path, key, member)).status).toBe(403)
    expect((await api.send('DELETE', `${path}/${owner.userId}`, key)).status).toBe(403)
    expect((await api.send('GET', path, key)).body.items).toHaveLength(1)
    expect((await api.send('PUT', path, owner.token, member)).status).toBe(200)
  })

  it('gives and takes roles at once, and never loses its last owner', async () => {
    const group = (await api.send('POST', '/api/groups', owner.token, { name: 'g' })).body.id
    const path = `/api/groups/${group}/members`
    const set = (email: string, role: string) => api.send('PUT', path, owner.token, { email, role })
    const made = await api.send('POST', '/api/computes', owner.token, { group_id: group })
    const see = () => api.send('GET', `/api/computes/${made.body.id}`, stranger.token)
    expect((await see()).status).toBe(404)
    expect((await set(stranger.email, 'viewer')).status).toBe(200)
    expect((await see()).status).toBe(200)
    await api.send('DELETE', `${path}/${stranger.userId}`, owner.token)
    expect((await see()).status).toBe(404)
    expect((await set(owner.email, 'viewer')).status).toBe(409)
    expect((await api.send('DELETE', `${path}/${owner.userId}`, owner.token)).status).toBe(409)
    const own = `/api/groups/${owner.groupId}/members/${owner.userId}`
    expect((await api.send('DELETE', own, owner.token)).status).toBe(409)
  })
})
