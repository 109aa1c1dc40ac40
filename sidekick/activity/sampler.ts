import type { Processes } from '../processes.ts'
import type { Activity } from './activity.ts'
import { NO_HISTORY, observeCpu } from './cpu.ts'

const ROUNDS_PER_WINDOW = 20

/** Looks at every user process a few times per window and touches `activity` while one is busy. */
export const startCpuSampler = (
  activity: Activity,
  processes: Processes,
  windowMs: number,
): (() => void) => {
  let history = NO_HISTORY
  const look = () => {
    const samples = processes.list().map(({ pid, startedAtTicks, name, cpuMs }) => ({
      key: `${pid}:${startedAtTicks}`,
      name: `${pid} ${name.replace(/[^\w.+-]/g, '_')}`,
      cpuMs,
    }))
    const seen = observeCpu(history, samples, performance.now(), { windowMs })
    history = seen.history
    if (seen.busy) activity.touch(`cpu:${seen.busy.name}`)
  }
  look()
  const timer = setInterval(look, Math.max(50, windowMs / ROUNDS_PER_WINDOW))
  timer.unref()
  return () => clearInterval(timer)
}
