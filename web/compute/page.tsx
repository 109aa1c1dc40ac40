import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { client } from '../ground/client.ts'
import { useNow } from '../ground/clock.ts'
import { look, take, useFleet } from '../ground/fleet.ts'
import { useKeys } from '../ground/keys.ts'
import { sayFailure } from '../ground/notices.tsx'
import { stay } from '../ground/route.ts'
import { useWho } from '../ground/session.tsx'
import { StateBadge } from '../ground/state-badge.tsx'
import { duration, when, whySentence } from '../ground/words.ts'
import type { Compute } from '../../sdk/types.ts'
import { TerminalPanel } from '../terminal/panel.tsx'
import { Actions } from './actions.tsx'
import { Ports } from './ports.tsx'
import { Snapshots } from './snapshots.tsx'
import { Timeline } from './timeline.tsx'

export const ComputePage = ({ id }: { readonly id: string }) => {
  const { computes, loaded } = useFleet()
  const [asked, setAsked] = useState(false)
  const compute = computes.get(id)
  useEffect(() => void look(id).finally(() => setAsked(true)), [id])
  if (compute !== undefined) return <Known compute={compute} />
  if (!asked && !loaded) return null
  return (
    <div className="lonely">
      <h1>No such compute</h1>
      <p>It is not there, or not yours.</p>
      <a href="/" onClick={stay} className="button">
        All computes
      </a>
    </div>
  )
}

const WAIT_S = 60

const Known = ({ compute }: { readonly compute: Compute }) => {
  const { id, state } = compute
  const { user, platform } = useWho()
  const now = useNow()
  const [busy, setBusy] = useState(false)
  const focusTerminal = useRef<(() => void) | null>(null)
  const wakeButton = useRef<HTMLAnchorElement>(null)

  const ask = useCallback(async (question: () => Promise<Compute>): Promise<void> => {
    setBusy(true)
    try {
      take(await question())
    } catch (error) {
      sayFailure(error)
    } finally {
      setBusy(false)
    }
  }, [])
  const wake = useCallback(
    () => void ask(() => client.computes.wake(id, { wait: WAIT_S })),
    [ask, id],
  )
  const retry = useCallback(
    () => void ask(() => client.computes.retry(id, { wait: WAIT_S })),
    [ask, id],
  )
  const hibernate = useCallback(
    () => void ask(() => client.computes.hibernate(id, { wait: WAIT_S })),
    [ask, id],
  )
  const leaveTerminal = useCallback(() => wakeButton.current?.focus(), [])
  useKeys(
    useMemo(
      () => ({
        t: () => focusTerminal.current?.(),
        w: () => state === 'hibernated' && wake(),
        h: () => state === 'running' && hibernate(),
      }),
      [state, wake, hibernate],
    ),
  )
  useEffect(() => {
    document.title = `${compute.name} · Dormouse`
    return () => void (document.title = 'Dormouse')
  }, [compute.name])

  return (
    <div className="page compute">
      <div className="title-row">
        <a href="/" onClick={stay} className="back" aria-label="All computes" ref={wakeButton}>
          ‹
        </a>
        <h1>{compute.name}</h1>
        <p className="state-line" aria-live="polite">
          <StateBadge state={state} />
          <span className="why">
            {state === 'failed' ? '' : 'because '}
            {whySentence(compute, user.id)}
            {/* Not spoken: it changes by itself, and the state did not. */}
            <time dateTime={compute.since} aria-hidden="true">
              {' '}
              · {when(compute.since, now)}
            </time>
          </span>
        </p>
        <span className="spring" />
        <Actions compute={compute} busy={busy} wake={wake} hibernate={hibernate} retry={retry} />
      </div>
      <div className="columns">
        <TerminalPanel
          compute={compute}
          userId={user.id}
          actions={{ wake, retry, busy }}
          focusRef={focusTerminal}
          onLeave={leaveTerminal}
        />
        <aside className="side">
          <Facts
            compute={compute}
            temporalUi={user.operator ? platform.temporal_ui_origin : null}
          />
          <Ports compute={compute} />
          <Snapshots compute={compute} />
          <Timeline computeId={id} />
        </aside>
      </div>
    </div>
  )
}

const Facts = ({
  compute,
  temporalUi,
}: {
  readonly compute: Compute
  readonly temporalUi: string | null
}) => (
  <section className="card facts-card" aria-label="Facts">
    <dl>
      <div>
        <dt>Id</dt>
        <dd>
          <code>{compute.id}</code>
        </dd>
      </div>
      <div>
        <dt>Image</dt>
        <dd>{compute.image_name}</dd>
      </div>
      <div>
        <dt>Size</dt>
        <dd>
          {compute.tier}
          {compute.limits !== null && `, limits ${compute.limits}`}
        </dd>
      </div>
      <div>
        <dt>Hibernates</dt>
        <dd>{ends(compute)}</dd>
      </div>
      {temporalUi !== null && (
        <div>
          <dt>Workflow</dt>
          <dd>
            <a
              href={`${temporalUi}/namespaces/default/workflows/compute-${compute.id}`}
              target="_blank"
              rel="noreferrer"
            >
              in Temporal ↗
            </a>
          </dd>
        </div>
      )}
    </dl>
  </section>
)

const ends = ({ idle_timeout: idle, lifetime_ends_at: end }: Compute): string => {
  const unused = idle === 0 ? 'never by itself' : `after ${duration(idle)} unused`
  return end === null ? unused : `${unused}, at the latest ${new Date(end).toLocaleTimeString()}`
}
