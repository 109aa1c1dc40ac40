/** The doors and schedules of Temporal, which only remember what was asked of them. */
import type { Observation } from '../../workflows/compute/contract.ts'
import type { WorkflowDoors } from '../control-deps.ts'

export const recordingDoors = () => {
  const open = new Set<string>()
  const adopted: string[] = []
  const refreshed: string[] = []
  const observed: { computeId: string; observation: Observation }[] = []
  const commands: { computeId: string; name: string }[] = []
  const doors: WorkflowDoors = {
    async command(input, name) {
      commands.push({ computeId: input.computeId, name })
    },
    async observed(computeId, observation) {
      observed.push({ computeId, observation })
    },
    async refresh(computeId) {
      refreshed.push(computeId)
    },
    async adopt(input) {
      if (open.has(input.computeId)) return 'already_running'
      adopted.push(input.computeId)
      open.add(input.computeId)
      return 'adopted'
    },
    async *openComputes() {
      yield* open
    },
  }
  return { ...doors, open, adopted, refreshed, seen: observed, commands }
}

export const recordingSchedules = () => {
  const plans = new Map<string, unknown>()
  return {
    plans,
    async put(computeId: string, schedule: unknown) {
      plans.set(computeId, schedule)
    },
    async remove(computeId: string) {
      plans.delete(computeId)
    },
    async *list() {
      yield* [...plans.keys()]
    },
  }
}
