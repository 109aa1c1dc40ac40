import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { mintSidekickTicket, type SigningKeys } from '../../../auth/keys.ts'
import type { ActivityStatus, Hello, SaveSummary } from '../../../sidekick/protocol.ts'
import { PROTOCOL_MIN_VERSION, PROTOCOL_VERSION } from '../../../sidekick/protocol.ts'
import { DormouseError } from '../../../workflows/errors.ts'
import type { Endpoint, SandboxRef, SidekickAddress, SidekickControl } from '../../ports.ts'
import { isRefusal, readJson, readRefusal, readStream, unreachable } from './answers.ts'
import { openConnection, type SidekickConnection } from './connection.ts'

const SHORT_MS = 10_000
/** Reading a tree of a million entries takes its time. */
const LONG_MS = 10 * 60_000
const HELLO_PAUSE_MS = 4
const MOST_CONNECTIONS = 200

export interface SidekickClient extends SidekickControl {
  close(): Promise<void>
}

/** Dials sidekicks: one kept-alive connection for questions each, another for every stream. */
export const createSidekickControl = (keys: SigningKeys): SidekickClient => {
  const known = new Map<string, SidekickConnection>()

  return {
    async hello(address, deadlineMs) {
      const giveUpAt = performance.now() + deadlineMs
      for (;;) {
        const connection = openConnection(address)
        try {
          const leftMs = Math.max(1, Math.ceil(giveUpAt - performance.now()))
          const answer = await connection.client.request({
            method: 'GET',
            path: '/v1/hello',
            headersTimeout: leftMs,
            // Headers that come in time say nothing of the body.
            signal: AbortSignal.timeout(leftMs),
          })
          const hello = await readJson<Hello>(answer)
          checkHello(hello)
          const fingerprint = connection.fingerprint() ?? ''
          remember({ address, fingerprint }, connection)
          return { ...hello, fingerprint }
        } catch (error) {
          void connection.client.destroy()
          if (error instanceof DormouseError) throw error
          if (performance.now() > giveUpAt) throw unreachable(error)
          await sleep(HELLO_PAUSE_MS)
        }
      }
    },
    claim: (endpoint, request) => ask(endpoint, null, 'POST', '/v1/claim', request),
    open: (endpoint, target) => ask(endpoint, target, 'POST', '/v1/open', {}),
    activity: (endpoint, target, { fresh = false } = {}) =>
      ask<ActivityStatus>(endpoint, target, 'GET', `/v1/activity${fresh ? '?fresh=1' : ''}`),
    notice: (endpoint, target, text) => ask(endpoint, target, 'POST', '/v1/notice', { text }),
    async freeze(endpoint, target, request) {
      // Its lease begins later than this, and never earlier.
      const untilMs = performance.now() + request.leaseMs
      try {
        const answer = await ask<{ freeze?: number }>(
          endpoint,
          target,
          'POST',
          '/v1/freeze',
          request,
          2 * SHORT_MS,
        )
        return { frozen: true, freeze: { ordinal: answer.freeze, untilMs } }
      } catch (error) {
        if (!isRefusal(error, 'active')) throw error
        return { frozen: false, activity: String(error.details['activity'] ?? 'unknown') }
      }
    },
    thaw: (endpoint, target, epoch) => ask(endpoint, target, 'POST', '/v1/thaw', { epoch }),
    async archive(endpoint, target, request, signal) {
      const connection = openConnection(endpoint.address, endpoint.fingerprint)
      try {
        const answer = await connection.client.request({
          method: 'POST',
          path: '/v1/archive',
          headers: { ...(await bearer(target)), 'content-type': 'application/json' },
          body: JSON.stringify(request),
          signal,
          headersTimeout: LONG_MS,
          bodyTimeout: LONG_MS,
        })
        if (answer.statusCode >= 400) throw await readRefusal(answer)
        const kind = answer.headers['x-dormouse-archive'] === 'delta' ? 'delta' : 'full'
        const stream = readStream(answer)
        stream.once('close', () => void connection.client.destroy())
        return {
          kind,
          stream,
          summary: () => ask<SaveSummary>(endpoint, target, 'GET', `/v1/saves/${request.saveId}`),
        }
      } catch (error) {
        void connection.client.destroy()
        throw signal.aborted ? signal.reason : unreachable(error)
      }
    },
    published: (endpoint, target, saveId) =>
      ask(endpoint, target, 'POST', `/v1/saves/${saveId}/published`, {}),
    async restorePart(endpoint, target, { index, count, stream }, signal) {
      const connection = openConnection(endpoint.address, endpoint.fingerprint)
      // What the store's side of the stream died of says more than the connection it took along.
      const source = new Promise<unknown>((resolve) => stream.once('error', resolve))
      try {
        const answer = await connection.client.request({
          method: 'PUT',
          path: `/v1/restore?index=${index}&count=${count}`,
          headers: { ...(await bearer(target)), 'content-type': 'application/zstd' },
          body: stream,
          signal,
          headersTimeout: LONG_MS,
        })
        return await readJson<{ entries: number }>(answer)
      } catch (error) {
        if (signal.aborted) throw signal.reason
        // Nothing is lost or to be saved: what was saved needs a larger disk.
        if (isRefusal(error, 'no_space'))
          throw new DormouseError('FilesystemTooLarge', error.message, error.details)
        throw stream.errored ?? (await Promise.race([source, sleep(0)])) ?? unreachable(error)
      } finally {
        void connection.client.destroy()
      }
    },
    restored: (endpoint, target, saveId) =>
      ask(endpoint, target, 'POST', '/v1/restored', { saveId }, LONG_MS),
    async retire(endpoint, target, { ordinal }) {
      const body = ordinal === undefined ? {} : { freeze: ordinal }
      await ask(endpoint, target, 'POST', '/v1/retire', body).catch((error: unknown) => {
        if (!isRefusal(error, 'wrong_state')) throw error
        throw new DormouseError('SaveFailed', error.message, error.details)
      })
    },
    async close() {
      const all = [...known.values()]
      known.clear()
      await Promise.all(all.map(({ client }) => client.destroy()))
    },
  }

  async function ask<T = void>(
    endpoint: Endpoint,
    target: SandboxRef | null,
    method: Dispatcher.HttpMethod,
    path: string,
    body?: unknown,
    withinMs = SHORT_MS,
  ): Promise<T> {
    try {
      const answer = await connectionTo(endpoint).client.request({
        method,
        path,
        headers: {
          ...(target === null ? {} : await bearer(target)),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headersTimeout: withinMs,
        signal: AbortSignal.timeout(withinMs),
      })
      return await readJson<T>(answer)
    } catch (error) {
      throw unreachable(error)
    }
  }

  function bearer(target: SandboxRef): Promise<{ authorization: string }> {
    return mintSidekickTicket(keys, { ...target, scope: 'control', subject: 'system:worker' }).then(
      (ticket) => ({ authorization: `Bearer ${ticket}` }),
    )
  }

  function connectionTo(endpoint: Endpoint): SidekickConnection {
    const found = known.get(keyOf(endpoint))
    if (found !== undefined && !found.client.destroyed) return found
    const connection = openConnection(endpoint.address, endpoint.fingerprint)
    remember(endpoint, connection)
    return connection
  }

  function remember(endpoint: Endpoint, connection: SidekickConnection): void {
    const key = keyOf(endpoint)
    const before = known.get(key)
    if (before !== undefined) void before.client.close()
    known.delete(key)
    known.set(key, connection)
    const [oldest] = known
    if (known.size <= MOST_CONNECTIONS || oldest === undefined) return
    known.delete(oldest[0])
    // Requests under way on it end first.
    void oldest[1].client.close()
  }
}

const keyOf = ({ address, fingerprint }: Endpoint): string =>
  `${fingerprint}@${addressText(address)}`

const addressText = (address: SidekickAddress): string =>
  address.kind === 'unix' ? address.path : `${address.host}:${address.port}`

const LONGEST_BOOT_ID = 100

const checkHello = (hello: Hello): void => {
  // It is kept in a row.
  if (typeof hello?.bootId !== 'string' || hello.bootId.length > LONGEST_BOOT_ID)
    throw new DormouseError('ProvisionFailed', 'what answers at the sidekick’s address is none')
  if (hello.minProtocol > PROTOCOL_VERSION || hello.protocol < PROTOCOL_MIN_VERSION)
    throw new DormouseError(
      'ProvisionFailed',
      `the sidekick speaks protocol ${hello.minProtocol}-${hello.protocol}, this worker ${PROTOCOL_MIN_VERSION}-${PROTOCOL_VERSION}`,
    )
}
