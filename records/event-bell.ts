import { EventEmitter } from 'node:events'
import pg from 'pg'
import { EVENTS_CHANNEL } from './events.ts'

/** Rings when an event was committed. A ring may be missed while the database is away: readers also poll. */
export interface EventBell {
  /** `ring` gets the compute's id, or '' for an event of no compute. Returns how to stop listening. */
  onRing(ring: (computeId: string) => void): () => void
  close(): Promise<void>
}

const RECONNECT_AFTER_MS = 1_000

/** One LISTEN connection for the whole process, made again whenever it breaks. */
export const openEventBell = (connectionString: string): EventBell => {
  const emitter = new EventEmitter().setMaxListeners(0)
  let closed = false
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined

  const connect = async () => {
    const next = new pg.Client({ connectionString, keepAlive: true })
    client = next
    next.on('notification', (message) => emitter.emit('ring', message.payload ?? ''))
    next.on('error', () => {})
    next.on('end', again)
    try {
      await next.connect()
      await next.query(`listen ${EVENTS_CHANNEL}`)
    } catch {
      // A connection that never came up does not always say `end`.
      again()
    }
  }
  const again = () => {
    if (closed || timer !== undefined) return
    timer = setTimeout(() => {
      timer = undefined
      void connect()
    }, RECONNECT_AFTER_MS)
  }
  void connect()

  return {
    onRing(ring) {
      emitter.on('ring', ring)
      return () => emitter.off('ring', ring)
    },
    async close() {
      closed = true
      clearTimeout(timer)
      emitter.removeAllListeners()
      await client?.end().catch(() => {})
    },
  }
}
