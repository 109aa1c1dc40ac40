import { useMemo, useRef, useState } from 'react'
import type { Compute } from '../../sdk/types.ts'
import { useNow } from '../ground/clock.ts'
import { useFleet } from '../ground/fleet.ts'
import { useKeys } from '../ground/keys.ts'
import { stay } from '../ground/route.ts'
import { useWho } from '../ground/session.tsx'
import { StateBadge } from '../ground/state-badge.tsx'
import { when, whySentence } from '../ground/words.ts'
import { CreateDialog } from './create-dialog.tsx'

export const ComputesPage = () => {
  const { computes, loaded } = useFleet()
  const [creating, setCreating] = useState(false)
  const [wanted, setWanted] = useState('')
  const [gone, setGone] = useState(false)
  const find = useRef<HTMLInputElement>(null)
  useKeys(useMemo(() => ({ n: () => setCreating(true), '/': () => find.current?.focus() }), []))
  const all = useMemo(
    () => [...computes.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)),
    [computes],
  )
  const terminated = all.filter(({ state }) => state === 'terminated').length
  const shown = all.filter(
    (compute) =>
      (gone || compute.state !== 'terminated') &&
      `${compute.name} ${compute.id} ${compute.state} ${compute.image_name}`
        .toLowerCase()
        .includes(wanted.trim().toLowerCase()),
  )

  return (
    <div className="page">
      <div className="title-row">
        <h1>Computes</h1>
        <span className="spring" />
        <input
          ref={find}
          type="search"
          className="find"
          placeholder="Find …"
          aria-label="Find a compute"
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
        />
        <button className="primary" onClick={() => setCreating(true)}>
          New compute
        </button>
      </div>
      {shown.length > 0 ? (
        <ul className="fleet" aria-label="Computes">
          {shown.map((compute) => (
            <FleetRow key={compute.id} compute={compute} />
          ))}
        </ul>
      ) : (
        loaded && <Nothing found={all.length - terminated > 0} onCreate={() => setCreating(true)} />
      )}
      {terminated > 0 && (
        <label className="check muted">
          <input type="checkbox" checked={gone} onChange={() => setGone(!gone)} />
          Show {terminated} deleted
        </label>
      )}
      {creating && <CreateDialog onClose={() => setCreating(false)} />}
    </div>
  )
}

const FleetRow = ({ compute }: { readonly compute: Compute }) => {
  const { user } = useWho()
  const now = useNow()
  return (
    <li>
      <a href={`/computes/${compute.id}`} onClick={stay} className="fleet-row">
        <span className="name">{compute.name}</span>
        <StateBadge state={compute.state} />
        <span className="why">
          {whySentence(compute, user.id)}
          <time dateTime={compute.since}> · {when(compute.since, now)}</time>
        </span>
        <span className="facts">
          {compute.image_name} · {compute.tier}
        </span>
      </a>
    </li>
  )
}

const Nothing = ({
  found,
  onCreate,
}: {
  readonly found: boolean
  readonly onCreate: () => void
}) =>
  found ? (
    <p className="empty">Nothing here is called that.</p>
  ) : (
    <div className="empty">
      <img src="/dormouse.svg" alt="" width="72" height="72" />
      <p>
        A compute is a Linux environment of your own. It sleeps when nobody uses it, and wakes with
        every file in place.
      </p>
      <button className="primary" onClick={onCreate}>
        Make your first compute
      </button>
    </div>
  )
