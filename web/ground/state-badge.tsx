import type { ComputeState } from '../../sdk/types.ts'

const KINDS: Readonly<Record<ComputeState, 'up' | 'asleep' | 'moving' | 'bad' | 'gone'>> = {
  requested: 'moving',
  provisioning: 'moving',
  restoring: 'moving',
  running: 'up',
  hibernating: 'moving',
  hibernated: 'asleep',
  waking: 'moving',
  terminating: 'moving',
  terminated: 'gone',
  failed: 'bad',
}

/** The state in words, with a mark that differs by shape as well as by colour. */
export const StateBadge = ({ state }: { readonly state: ComputeState }) => (
  <span className={`badge ${KINDS[state]}`} data-state={state}>
    <svg viewBox="0 0 12 12" aria-hidden="true">
      {SHAPES[KINDS[state]]}
    </svg>
    {state}
  </span>
)

const SHAPES = {
  up: <circle cx="6" cy="6" r="4.5" />,
  asleep: <path d="M9.8 7.9A4.6 4.6 0 1 1 5.2 1.6 3.9 3.9 0 0 0 9.8 7.9Z" />,
  moving: <circle className="ring" cx="6" cy="6" r="4" />,
  bad: <path d="M6 1 11.4 10.6H.6Z" />,
  gone: <rect x="2" y="5" width="8" height="2" rx="1" />,
}
