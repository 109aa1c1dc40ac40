import { useEffect, useState } from 'react'

interface Wall {
  readonly part: string
  readonly holds: boolean
  readonly reason?: string
}

const LOOK_EVERY_MS = 15_000

const WORDS: Readonly<Record<string, string>> = {
  'runtime-class': 'the sandbox (gVisor)',
  'pod-security': 'Pod Security of the namespace',
  'network-policy': 'the network policies',
  'network-enforced': 'the network',
  'admission-policy': 'the admission policy',
  'node-wall': 'the wall around the nodes',
  runtime: 'the place where computes run',
  observer: 'the observer',
}

/** Which part of what keeps computes apart does not hold. Nothing to see where all of them do. */
export const Walls = () => {
  const fallen = useFallen()
  if (fallen.length === 0) return null
  return (
    <section className="walls" role="alert" aria-label="Isolation">
      <strong>Computes may not be isolated as they should be.</strong> Tell whoever runs this
      platform; your files stay where they are.
      <ul>
        {fallen.map(({ part, reason }) => (
          <li key={part}>
            <b>{WORDS[part] ?? part}</b> <code>{part}</code>
            <span>{reason}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Asked only while somebody can see the page; an API that is away is told elsewhere. */
const useFallen = (): readonly Wall[] => {
  const [fallen, setFallen] = useState<readonly Wall[]>([])
  useEffect(() => {
    const look = async (): Promise<void> => {
      if (document.hidden) return
      const ready = (await (await fetch('/readyz')).json()) as { walls?: readonly Wall[] }
      setFallen((ready.walls ?? []).filter(({ holds }) => !holds))
    }
    const again = (): void => void look().catch(() => {})
    again()
    const timer = setInterval(again, LOOK_EVERY_MS)
    document.addEventListener('visibilitychange', again)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', again)
    }
  }, [])
  return fallen
}
