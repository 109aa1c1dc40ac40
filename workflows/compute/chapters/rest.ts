/** Hibernated or failed: nothing runs and no timer ticks; wait for someone to ask. */
import type { ComputeProblem } from '../contract.ts'
import { showDetails, showSearchable } from '../display.ts'
import { note } from '../effects.ts'
import { follows, move, settle, target, type Life } from '../life.ts'
import { judge } from '../lifecycle.ts'
import { takeNext, type Entry } from '../queue.ts'
import { renewIfWanted } from '../renew.ts'
import { waitForWork } from '../wait.ts'

export const rest = async (life: Life): Promise<void> => {
  const { memory } = life
  life.recalls = 0
  while (memory.state === 'hibernated' || memory.state === 'failed') {
    if (life.lookAgain || life.deleteByMs !== undefined) return
    const entry = takeNext(life.queue)
    if (entry !== undefined) {
      const refused = serve(life, entry)
      if (refused !== undefined) await refused
      continue
    }
    await renewIfWanted(life)
    life.rearm = false
    showDetails(life)
    showSearchable(life)
    await waitForWork(life, undefined, '')
  }
}

const serve = (life: Life, entry: Entry): Promise<void> | undefined => {
  const { wish } = entry
  if (wish.kind === 'lost') return
  const verdict = judge(wish.kind, life.memory.state)
  if (verdict.kind === 'refuse') return refuse(life, entry, verdict.message)
  if (verdict.kind === 'answer') {
    settle(life, entry, { ok: true })
    return
  }
  life.serving = entry
  if (wish.kind === 'retry') life.memory.losses = 0
  move(life, wish.kind === 'retry' ? 'retry' : 'wake', wish.cause)
  return
}

/** It was let in while the compute ran. Of a commit that is an event, too: who did not wait looks at its image. */
const refuse = (life: Life, entry: Entry, message: string): Promise<void> | undefined => {
  const { wish } = entry
  settle(life, entry, { ok: false, code: 'InvalidState', message })
  if (wish.kind !== 'commit' || !follows(life, 5)) return
  const at = new Date().toISOString()
  const problem: ComputeProblem = { code: 'InvalidState', message, retryable: false, at }
  const { imageId, cause } = wish
  return note({ ...target(life), type: 'commit_failed', cause, detail: { imageId, problem } })
}

/** Kept beside rest(): what is asked of a compute that has ended. */
export const refuseAll = (life: Life): void => {
  for (const entry of life.queue.splice(0)) {
    if (entry.wish.kind === 'lost') continue
    const verdict = judge(entry.wish.kind, 'terminated')
    settle(
      life,
      entry,
      verdict.kind === 'refuse'
        ? { ok: false, code: 'InvalidState', message: verdict.message }
        : { ok: true },
    )
  }
}
