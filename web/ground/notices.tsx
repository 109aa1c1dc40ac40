import { useSyncExternalStore } from 'react'

interface Notice {
  readonly id: number
  readonly kind: 'said' | 'failed'
  readonly text: string
}

let notices: readonly Notice[] = []
let lastId = 0
const watchers = new Set<() => void>()
const change = (next: readonly Notice[]): void => {
  notices = next
  for (const watcher of watchers) watcher()
}

const SHOWN_MS = { said: 5_000, failed: 15_000 }

export const say = (text: string, kind: Notice['kind'] = 'said'): void => {
  const id = ++lastId
  change([...notices, { id, kind, text }])
  setTimeout(() => dismiss(id), SHOWN_MS[kind])
}

/** For the end of a promise nobody else looks at. */
export const sayFailure = (error: unknown): void =>
  say(error instanceof Error ? error.message : String(error), 'failed')

const dismiss = (id: number): void => change(notices.filter((notice) => notice.id !== id))

export const Notices = () => {
  const shown = useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => notices,
  )
  return (
    <div className="notices" role="status" aria-live="polite">
      {shown.map(({ id, kind, text }) => (
        <p key={id} className={`notice ${kind}`}>
          <span>{text}</span>
          <button className="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  )
}
