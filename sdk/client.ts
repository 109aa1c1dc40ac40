import type { ExecRequest, PortInfo } from '../sidekick/protocol.ts'
import { capture, exec, type ExecHandlers } from './exec.ts'
import { filesOf } from './files.ts'
import { openHttp, type Auth } from './http.ts'
import { apiKeysOf, groupsOf, usersOf } from './people.ts'
import { randomId } from './random-id.ts'
import { feedStdin } from './stdin.ts'
import { serverEvents } from './server-events.ts'
import type {
  Compute,
  Filesystem,
  Image,
  LifeEvent,
  NewCompute,
  NewImage,
  Page,
  Platform,
  PortDoor,
  Schedule,
  Session,
  Snapshot,
  User,
  Visibility,
} from './types.ts'

export interface ClientOptions {
  readonly apiOrigin: string
  readonly gatewayOrigin: string
  readonly auth: Auth
  readonly fetch?: typeof fetch
  /** Whether calls into a compute wake it when it sleeps; a page that only looks says false. */
  readonly wakes?: boolean
}

/** How long a call may wait for the compute to settle, in seconds. Without it: answered at once. */
export interface Wait {
  readonly wait?: number | undefined
}

export type Client = ReturnType<typeof openClient>

/** Everything the API and the gateway do for a user, typed. Failures are thrown as Problem. */
export const openClient = (options: ClientOptions) => {
  const api = openHttp(options.apiOrigin, options.auth, options.fetch)
  const gateway = openHttp(options.gatewayOrigin, options.auth, options.fetch, {
    // Node's fetch looks like a browser's background one, which never wakes anything by itself.
    ...(options.wakes === false ? { 'x-dormouse-no-wake': '1' } : { 'x-dormouse-wake': '1' }),
  })
  const command = (id: string, name: string, { wait, ...body }: Wait) =>
    api.json<Compute>('POST', `/api/computes/${id}/${name}`, { query: { wait }, json: body })

  return {
    api,
    gateway,
    /** With `cookie` the browser keeps the session and no script sees it. */
    login: (email: string, password: string, options: { cookie?: boolean } = {}) =>
      api.json<Session>('POST', '/auth/login', { json: { email, password, ...options } }),
    /** Without a token: by the cookie. */
    refresh: (refreshToken?: string) =>
      api.json<Session>('POST', '/auth/refresh', { json: { refreshToken } }),
    logout: (refreshToken?: string) =>
      api.json<void>('POST', '/auth/logout', { json: { refreshToken } }),
    me: () => api.json<User>('GET', '/auth/me'),

    computes: {
      /** The same key and request again is the same compute. */
      create: (compute: NewCompute, { wait, key }: Wait & { key?: string } = {}) =>
        api.json<Compute>('POST', '/api/computes', {
          query: { wait },
          json: compute,
          headers: { 'idempotency-key': key ?? randomId() },
        }),
      get: (id: string) => api.json<Compute>('GET', `/api/computes/${id}`),
      page: (query: { cursor?: string; limit?: number; state?: string; name?: string } = {}) =>
        api.json<Page<Compute>>('GET', '/api/computes', { query }),
      hibernate: (id: string, wait: Wait = {}) => command(id, 'hibernate', { ...wait }),
      wake: (id: string, wait: Wait = {}) => command(id, 'wake', { ...wait }),
      retry: (id: string, wait: Wait = {}) => command(id, 'retry', { ...wait }),
      checkpoint: (id: string, wait: Wait = {}) => command(id, 'checkpoint', { ...wait }),
      /** Seconds from now until the lifetime ends (0: never), and a new idle timeout. */
      extend: (id: string, change: { lifetime?: number; idle_timeout?: number } & Wait) =>
        command(id, 'extend', change),
      /** Takes the place of the one it has; null takes it away. */
      schedule: (id: string, schedule: Schedule | null, { wait }: Wait = {}) =>
        api.json<Compute>('PUT', `/api/computes/${id}/schedule`, {
          query: { wait },
          json: { schedule },
        }),
      commit: (id: string, image: { name: string } & Wait) =>
        command(id, 'commit', image) as unknown as Promise<Image>,
      remove: (id: string, options: { purge?: boolean } & Wait = {}) =>
        api.json<Compute>('DELETE', `/api/computes/${id}`, {
          query: { wait: options.wait, purge: options.purge ? true : undefined },
        }),
    },

    /** Who may open which; one that nobody spoke of is private. */
    ports: {
      list: (computeId: string) =>
        api.json<Page<PortDoor>>('GET', `/api/computes/${computeId}/ports`),
      set: (computeId: string, port: number, visibility: Visibility) =>
        api.json<PortDoor>('PUT', `/api/computes/${computeId}/ports/${port}`, {
          json: { visibility },
        }),
      /** What listens in a running compute; wakes nothing. */
      listening: (computeId: string) =>
        gateway.json<readonly PortInfo[]>('GET', `/compute/${computeId}/ports`),
    },

    events: {
      /** Oldest first, after a cursor; or with `tail` the newest so many. */
      page: (query: { computeId?: string; after?: string; limit?: number; tail?: number } = {}) =>
        api.json<Page<LifeEvent>>('GET', eventsPath(query.computeId), {
          query: { cursor: query.after, limit: query.limit, tail: query.tail },
        }),
      follow: async function* (query: {
        readonly computeId?: string
        readonly after?: string
        readonly signal: AbortSignal
        readonly onDrop?: () => void
        readonly onOpen?: () => void
      }): AsyncGenerator<LifeEvent, void, undefined> {
        for await (const event of serverEvents(api, eventsPath(query.computeId), query))
          yield JSON.parse(event.data) as LifeEvent
      },
    },

    filesystems: {
      /** Empty, for `computes.create`; it stays when its compute is deleted. */
      create: (filesystem: { name: string; group_id?: string | undefined }) =>
        api.json<Filesystem>('POST', '/api/filesystems', { json: filesystem }),
      get: (id: string) => api.json<Filesystem>('GET', `/api/filesystems/${id}`),
      page: (query: { cursor?: string; limit?: number } = {}) =>
        api.json<Page<Filesystem>>('GET', '/api/filesystems', { query }),
      snapshots: (id: string) =>
        api.json<Page<Snapshot>>('GET', `/api/filesystems/${id}/snapshots`),
      fork: (id: string, fork: { name?: string; snapshot_id?: string } = {}) =>
        api.json<Filesystem>('POST', `/api/filesystems/${id}/fork`, { json: fork }),
      restore: (id: string, snapshotId: string) =>
        api.json<Filesystem>('POST', `/api/filesystems/${id}/restore`, {
          json: { snapshot_id: snapshotId },
        }),
      /** The files of a snapshot, or as last saved: a .tar.zst. */
      export: async (id: string, snapshotId?: string): Promise<ReadableStream<Uint8Array>> => {
        const path = `/api/filesystems/${id}/export`
        const response = await api.send('GET', path, { query: { snapshot: snapshotId } })
        return response.body ?? new Blob([]).stream()
      },
      /** Into the trash; with `purge` out of that too, for good. */
      remove: async (id: string, options: { purge?: boolean } = {}) => {
        await api.send('DELETE', `/api/filesystems/${id}`)
        if (options.purge) await api.send('DELETE', `/api/trash/${id}`)
      },
    },
    /** Filesystems that go for good after their days here. */
    trash: {
      list: () => api.json<Page<Filesystem>>('GET', '/api/trash'),
      restore: (id: string) => api.json<Filesystem>('POST', `/api/trash/${id}/restore`),
    },
    groups: groupsOf(api),
    apiKeys: apiKeysOf(api),
    users: usersOf(api),
    /** What must be known before anybody logs in. */
    platform: () => api.json<Platform>('GET', '/api/platform'),
    images: {
      list: () => api.json<Page<Image>>('GET', '/api/images'),
      get: (id: string) => api.json<Image>('GET', `/api/images/${id}`),
      /** An image that a registry has, for computes on kubernetes. */
      create: (image: NewImage) => api.json<Image>('POST', '/api/images', { json: image }),
      remove: (id: string) => api.send('DELETE', `/api/images/${id}`).then(() => undefined),
    },

    /** A single-use ticket for one door of a compute, and the address it opens. */
    door: (door: { compute_id: string; purpose: 'terminal' | 'port'; port?: number }) =>
      api.json<{ ticket: string; url: string }>('POST', '/api/doors', { json: door }),

    exec: (computeId: string, request: ExecRequest, handlers?: ExecHandlers) =>
      exec(gateway, computeId, request, handlers),
    capture: (computeId: string, request: ExecRequest) => capture(gateway, computeId, request),
    files: (computeId: string) => filesOf(gateway, computeId),
    stdin: (
      computeId: string,
      commandId: string,
      source: AsyncIterable<Uint8Array>,
      signal?: AbortSignal,
    ) => feedStdin(gateway, computeId, commandId, source, signal),
    kill: (computeId: string, commandId: string, signal: string) =>
      gateway
        .send('POST', `/compute/${computeId}/commands/${commandId}/signal`, { json: { signal } })
        .then(() => undefined),
  }
}

const eventsPath = (computeId: string | undefined): string =>
  computeId === undefined ? '/api/events' : `/api/computes/${computeId}/events`
