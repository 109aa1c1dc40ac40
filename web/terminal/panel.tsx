import { useEffect, useRef, useState, type ReactNode, type RefObject } from 'react'
import type { TerminalStatus } from '../../sdk/terminal.ts'
import type { Compute } from '../../sdk/types.ts'
import { because, whySentence } from '../ground/words.ts'
import { linkTerminal } from './link.ts'
import { openScreen, type Screen } from './screen.ts'

type Link = ReturnType<typeof linkTerminal>

/**
 * The terminal and what stands in its place while there is none. It attaches when the compute runs;
 * only the button wakes.
 */
export const TerminalPanel = ({
  compute,
  userId,
  actions,
  focusRef,
  onLeave,
}: {
  readonly compute: Compute
  readonly userId: string
  readonly actions: { wake: () => void; retry: () => void; busy: boolean }
  readonly focusRef: RefObject<(() => void) | null>
  readonly onLeave: () => void
}) => {
  const element = useRef<HTMLDivElement>(null)
  const link = useRef<Link>(null)
  const screen = useRef<Screen>(null)
  const [status, setStatus] = useState<TerminalStatus>({ state: 'connecting', attempt: 0 })
  const wakeButton = useRef<HTMLButtonElement>(null)
  const running = compute.state === 'running'
  const asleep = compute.state === 'hibernated'

  useEffect(() => {
    const opened = openScreen(element.current!, onLeave)
    const linked = linkTerminal(opened.xterm, compute.id, setStatus)
    screen.current = opened
    link.current = linked
    focusRef.current = () => opened.xterm.focus()
    return () => {
      focusRef.current = null
      linked.dispose()
      opened.dispose()
    }
  }, [compute.id, focusRef, onLeave])

  useEffect(() => {
    if (!running) return
    screen.current?.fit()
    link.current?.connect()
    screen.current?.xterm.focus()
  }, [running, compute.generation])

  // What had the focus is gone or inert by now; the button takes it once it can be pressed.
  useEffect(() => {
    const focused = document.activeElement
    const lost = focused === null || focused === document.body || focused.closest('[inert]')
    if (asleep && !actions.busy && lost) wakeButton.current?.focus()
  }, [asleep, actions.busy])

  const veil = veilOf(compute, userId, status, { ...actions, wakeButton }, () =>
    link.current?.connect(),
  )
  return (
    <section className="terminal card" aria-label="Terminal">
      <div className="terminal-frame" inert={veil !== undefined}>
        <div className="terminal-screen" ref={element} />
      </div>
      {veil !== undefined && <div className="veil">{veil}</div>}
      <p className="terminal-foot" role="status">
        <span>{lineState(running, status)}</span>
        <span className="spring" />
        <span className="hint">
          <kbd>Ctrl</kbd> <kbd>Shift</kbd> <kbd>Enter</kbd> leaves the terminal
        </span>
      </p>
    </section>
  )
}

const lineState = (running: boolean, status: TerminalStatus): string => {
  if (!running) return 'not connected'
  if (status.state === 'open') return 'connected'
  if (status.state === 'connecting')
    return status.attempt > 0 ? 'connection lost; connecting again …' : 'connecting …'
  return status.state === 'closed' ? status.why : status.state
}

const veilOf = (
  compute: Compute,
  userId: string,
  status: TerminalStatus,
  actions: {
    wake: () => void
    retry: () => void
    busy: boolean
    wakeButton: RefObject<HTMLButtonElement | null>
  },
  connect: () => void,
): ReactNode | undefined => {
  const { state, reason, problem } = compute
  if (state === 'hibernated')
    return (
      <>
        <Moon />
        <h2>Asleep</h2>
        <p>It sleeps because {whySentence(compute, userId)}. Every file is in place.</p>
        <button
          className="primary"
          onClick={actions.wake}
          disabled={actions.busy}
          ref={actions.wakeButton}
        >
          {actions.busy ? 'Waking …' : 'Wake'}
        </button>
      </>
    )
  if (state === 'failed')
    return (
      <>
        <h2>It failed</h2>
        <p>{problem?.message ?? because(reason)}</p>
        <button className="primary" onClick={actions.retry} disabled={actions.busy}>
          Try again
        </button>
      </>
    )
  if (state === 'terminated') return <h2>This compute was deleted</h2>
  if (state !== 'running')
    return (
      <>
        <Turning />
        <p>{MOVING[state]}</p>
      </>
    )
  if (status.state === 'exited')
    return (
      <>
        <h2>The shell ended</h2>
        <p>
          {status.signal ? `By signal ${status.signal}.` : `With exit code ${status.exitCode}.`}
        </p>
        <button className="primary" onClick={connect} autoFocus>
          New shell
        </button>
      </>
    )
  if (status.state === 'closed')
    return (
      <>
        <h2>Not connected</h2>
        <p>{status.why}</p>
        <button className="primary" onClick={connect}>
          Connect
        </button>
      </>
    )
  return undefined
}

const MOVING: Readonly<Record<string, string>> = {
  requested: 'Asked for; a place is being found.',
  provisioning: 'Starting.',
  restoring: 'Its files are being put in place.',
  waking: 'Waking.',
  hibernating: 'Its files are being saved.',
  terminating: 'Being deleted.',
}

const Moon = () => (
  <svg className="moon" viewBox="0 0 48 48" aria-hidden="true">
    <path d="M39 31A18 18 0 1 1 20 6 15 15 0 0 0 39 31Z" />
    <text x="29" y="17">
      z
    </text>
    <text x="36" y="11" className="small">
      z
    </text>
  </svg>
)

const Turning = () => <span className="turning" aria-hidden="true" />
