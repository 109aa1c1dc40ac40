import { useSyncExternalStore } from 'react'
import { everyItem } from '../../sdk/pages.ts'
import { isProblem } from '../../sdk/problem.ts'
import { RESTING, type Compute, type LifeEvent } from '../../sdk/types.ts'
import { client } from './client.ts'

/** All computes the user sees, kept true by the event stream. Reading them touches no compute. */
export interface Fleet {
  readonly computes: ReadonlyMap<string, Compute>
  readonly loaded: boolean
  /** Whether events come in now. */
  readonly live: boolean
}

let fleet: Fleet = { computes: new Map(), loaded: false, live: false }
const watchers = new Set<() => void>()
const listeners = new Set<(event: LifeEvent) => void>()

const change = (next: Partial<Fleet>): void => {
  fleet = { ...fleet, ...next }
  for (const watcher of watchers) watcher()
}

export const useFleet = (): Fleet =>
  useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => fleet,
  )

/** Calls `listener` for every event from now on. */
export const onLifeEvent = (listener: (event: LifeEvent) => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** What an answer of the API said: shown at once, before its event comes. */
export const take = (compute: Compute): void => {
  const known = fleet.computes.get(compute.id)
  if (known !== undefined && known.generation > compute.generation) return
  change({ computes: new Map(fleet.computes).set(compute.id, compute) })
}

export const look = async (id: string): Promise<void> => {
  try {
    take(await client.computes.get(id))
  } catch (error) {
    if (!isProblem(error) || error.status !== 404) return
    const computes = new Map(fleet.computes)
    computes.delete(id)
    change({ computes })
  }
}

/**
 * Loads everything, then follows; until `signal`. Events can be late (one open transaction anywhere
 * on the database server holds all of them back), so what is on its way somewhere is also asked for.
 */
export const followFleet = async (signal: AbortSignal): Promise<void> => {
  const newest = await client.events.page({ tail: 1 })
  await loadAll()
  change({ live: true })
  const stopLooking = lookAgain()
  signal.addEventListener('abort', stopLooking)
  const events = client.events.follow({
    signal,
    onDrop: () => change({ live: false }),
    onOpen: () => change({ live: true }),
    ...(newest.next_cursor !== null && { after: newest.next_cursor }),
  })
  for await (const event of events) {
    for (const listener of listeners) listener(event)
    if (event.computeId !== null) lookSoon(event.computeId)
  }
  change({ live: false })
}

const MOVING_EVERY_MS = 1_500
const NEWEST_EVERY_MS = 15_000

/** Only while somebody can see the page; of the API only, so it keeps nothing awake. */
const lookAgain = (): (() => void) => {
  const moving = setInterval(() => {
    if (document.hidden) return
    for (const { id, state } of fleet.computes.values()) if (!RESTING.includes(state)) void look(id)
  }, MOVING_EVERY_MS)
  const newest = setInterval(() => {
    if (!document.hidden) loadNewest().catch(() => {})
  }, NEWEST_EVERY_MS)
  return () => {
    clearInterval(moving)
    clearInterval(newest)
  }
}

const loadNewest = async (): Promise<void> => {
  const page = await client.computes.page({ limit: 200 })
  for (const compute of page.items) take(compute)
}

const loadAll = async (): Promise<void> => {
  const computes = new Map<string, Compute>()
  for await (const compute of everyItem(client.computes.page)) computes.set(compute.id, compute)
  change({ computes, loaded: true })
}

const LOOK_AFTER_MS = 60
const looking = new Map<string, ReturnType<typeof setTimeout>>()

/** Several events of one transition are one look. */
const lookSoon = (id: string): void => {
  if (looking.has(id)) return
  looking.set(
    id,
    setTimeout(() => {
      looking.delete(id)
      void look(id)
    }, LOOK_AFTER_MS),
  )
}
