import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { readEvents, type EventRecord } from '../../records/events.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'

const BATCH = 200
const HEARTBEAT_MS = 15_000
/** Events of a transaction that was open when the bell rang come without a ring of their own. */
const POLL_MS = 2_000

export interface Listener {
  readonly computeId?: string
  /** Asked again at every poll: undefined ends the stream. */
  readonly groupIds: () => Promise<readonly string[] | undefined>
  readonly after?: string
}

/** All open streams, so that a process that ends can end them. */
export interface Streams {
  follow(request: FastifyRequest, reply: FastifyReply, listener: Listener): Promise<void>
  endAll(): void
}

export const createStreams = (deps: Pick<AppDeps, 'db' | 'bell' | 'config'>): Streams => {
  const open = new Set<AbortController>()
  const takePlace = createPlaces(deps.config.eventStreamsPerUser)

  return {
    endAll: () => open.forEach((stream) => stream.abort()),
    async follow(request, reply, listener) {
      const leave = takePlace(caller(request).userId)
      const ended = new AbortController()
      open.add(ended)
      request.raw.once('close', () => ended.abort())
      const bell = listen(deps.bell, listener.computeId, ended.signal)
      // Who left while it was asked who they are has closed already: nothing would tell of it again.
      if (request.raw.destroyed) ended.abort()
      reply.hijack()
      const response = reply.raw
      response.once('error', () => ended.abort())
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // Proxies that gather answers would hold events back.
        'x-accel-buffering': 'no',
      })
      const write = async (text: string) => {
        if (!response.write(text)) await once(response, 'drain', { signal: ended.signal })
      }
      try {
        await write('retry: 1000\n\n')
        let cursor = listener.after
        let lastWriteMs = Date.now()
        while (!ended.signal.aborted) {
          const groupIds = await listener.groupIds()
          if (groupIds === undefined) break
          const events = await readEvents(deps.db, {
            groupIds,
            limit: BATCH,
            ...(listener.computeId === undefined ? {} : { computeId: listener.computeId }),
            ...(cursor === undefined ? {} : { after: cursor }),
          })
          if (events.length > 0) await write(events.map(formatEvent).join(''))
          else if (Date.now() - lastWriteMs >= HEARTBEAT_MS) await write(': still here\n\n')
          else {
            await bell.next(POLL_MS)
            continue
          }
          cursor = events.at(-1)?.cursor ?? cursor
          lastWriteMs = Date.now()
        }
      } catch (error) {
        // The client comes back with its last id; to it a stream that broke and one that ended are one.
        if (!ended.signal.aborted) request.log.warn({ err: error }, 'event stream broke')
      } finally {
        open.delete(ended)
        leave()
        ended.abort()
        response.end()
      }
    },
  }
}

/** Each stream asks the database every few seconds. Errors: RateLimited. */
const createPlaces = (most: number) => {
  const taken = new Map<string, number>()
  return (userId: string): (() => void) => {
    const before = taken.get(userId) ?? 0
    if (before >= most)
      throw new DormouseError(
        'RateLimited',
        `${before} event streams of yours are open, as many as one may have; close one, or follow /api/events, which has all your computes`,
      )
    taken.set(userId, before + 1)
    return () => {
      const now = (taken.get(userId) ?? 1) - 1
      if (now === 0) taken.delete(userId)
      else taken.set(userId, now)
    }
  }
}

/** Remembers a ring that comes while the reader is busy. */
const listen = (bell: AppDeps['bell'], computeId: string | undefined, ended: AbortSignal) => {
  let rung = false
  let wake: (() => void) | undefined
  const ring = () => {
    rung = true
    wake?.()
  }
  const stop = bell.onRing((id) => {
    if (computeId === undefined || id === computeId) ring()
  })
  ended.addEventListener('abort', () => {
    stop()
    ring()
  })
  return {
    async next(withinMs: number): Promise<void> {
      if (!rung)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, withinMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      wake = undefined
      rung = false
    },
  }
}

const formatEvent = (event: EventRecord): string =>
  `id: ${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`
