import { useEffect, useState } from 'react'
import type { LifeEvent } from '../../sdk/types.ts'
import { client } from '../ground/client.ts'
import { useNow } from '../ground/clock.ts'
import { onLifeEvent } from '../ground/fleet.ts'
import { useWho } from '../ground/session.tsx'
import { describeEvent, when } from '../ground/words.ts'

const SHOWN = 100

/** What happened, newest first. */
export const Timeline = ({ computeId }: { readonly computeId: string }) => {
  const { user } = useWho()
  const now = useNow()
  const [events, setEvents] = useState<readonly LifeEvent[]>([])
  useEffect(() => {
    const add = (more: readonly LifeEvent[]) =>
      setEvents((known) => {
        const seen = new Set(known.map(({ cursor }) => cursor))
        return [...known, ...more.filter(({ cursor }) => !seen.has(cursor))].slice(-SHOWN)
      })
    client.events.page({ computeId, tail: SHOWN }).then(
      ({ items }) => add(items),
      () => {},
    )
    return onLifeEvent((event) => event.computeId === computeId && add([event]))
  }, [computeId])
  const newestFirst = [...events].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))

  return (
    <section className="card" aria-labelledby="timeline">
      <h2 id="timeline">What happened</h2>
      <ol className="timeline">
        {newestFirst.map((event) => {
          const { title, facts } = describeEvent(event, user.id)
          return (
            <li key={event.cursor} data-state={event.state ?? undefined}>
              <span className="what">{title}</span>
              <time dateTime={event.at} title={new Date(event.at).toLocaleString()}>
                {when(event.at, now)}
              </time>
              <small className="muted">{facts}</small>
            </li>
          )
        })}
      </ol>
    </section>
  )
}
