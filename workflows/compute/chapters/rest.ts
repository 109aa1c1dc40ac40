/** Hibernated or failed: nothing runs and no timer ticks; wait for someone to ask. */
import { showDetails, showSearchable } from '../display.ts'
import { follows, move, settle, type Life } from '../life.ts'
import { judge } from '../lifecycle.ts'
import { takeNext, type Entry } from '../queue.ts'
import { renewIfWanted } from '../renew.ts'
import { waitForWork } from '../wait.ts'
import { tellCommitFailed } from './keep.ts'

export const rest = async (life: Life): Promise<void> => {
  const { memory } = life
  life.recalls = 0
  while (memory.state === 'hibernated' || memory.state === 'failed') {
    if (life.lookAgain || life.deleteByMs !== undefined) return
    const entry = takeNext(life.queue)
    if (entry !== undefined) {
      const refused = serve(life, entry)
      // Nothing is awaited where there is nothing: what comes next stays in the order of earlier runs.
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

/** It was let in while the compute ran. */
const refuse = (life: Life, entry: Entry, message: string): Promise<void> | undefined => {
  const { wish } = entry
  settle(life, entry, { ok: false, code: 'InvalidState', message })
  if (wish.kind !== 'commit' || !follows(life, 5)) return
  const at = new Date().toISOString()
  return tellCommitFailed(life, wish, { code: 'InvalidState', message, retryable: false, at })
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
