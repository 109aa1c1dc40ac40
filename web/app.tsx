import { lazy, Suspense, useEffect, useMemo, useState } from 'react'
import { ComputesPage } from './computes/page.tsx'
import { followFleet, useFleet } from './ground/fleet.ts'
import { useKeys } from './ground/keys.ts'
import { Notices, sayFailure } from './ground/notices.tsx'
import { go, stay, usePath } from './ground/route.ts'
import { SessionGate, useWho } from './ground/session.tsx'
import { Walls } from './ground/walls.tsx'
import { Shortcuts } from './shortcuts.tsx'

// The drawn terminal is most of the page's weight; the list does without it.
const ComputePage = lazy(() =>
  import('./compute/page.tsx').then(({ ComputePage: page }) => ({ default: page })),
)

export const App = () => (
  <SessionGate>
    <Page />
  </SessionGate>
)

const Page = () => {
  const path = usePath()
  const { user, leave } = useWho()
  const { live } = useFleet()
  const [help, setHelp] = useState(false)
  useEffect(() => {
    const stop = new AbortController()
    const follow = () =>
      followFleet(stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted) return
        sayFailure(error)
        setTimeout(() => void follow(), RETRY_MS)
      })
    void follow()
    return () => stop.abort()
  }, [])
  useKeys(useMemo(() => ({ '?': () => setHelp(true), l: () => go('/') }), []))
  const computeId = /^\/computes\/([a-z0-9]+)$/.exec(path)?.[1]

  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="top">
        <a href="/" onClick={stay} className="brand">
          <img src="/dormouse.svg" alt="" width="26" height="26" />
          Dormouse
        </a>
        <span className={`live ${live ? '' : 'off'}`} role="status">
          {live ? 'live' : 'connecting …'}
        </span>
        <span className="spring" />
        <span className="email">{user.email}</span>
        <button className="quiet" onClick={() => setHelp(true)} aria-label="Keyboard shortcuts">
          ?
        </button>
        <button className="quiet" onClick={leave}>
          Log out
        </button>
      </header>
      <Walls />
      <main id="main" tabIndex={-1}>
        {computeId === undefined ? (
          <ComputesPage />
        ) : (
          <Suspense>
            <ComputePage key={computeId} id={computeId} />
          </Suspense>
        )}
      </main>
      <Notices />
      {help && <Shortcuts onClose={() => setHelp(false)} />}
    </>
  )
}

const RETRY_MS = 3_000
