/** Hibernated or failed: nothing runs and no timer ticks; wait for someone to ask. */
import { showDetails, showSearchable } from '../display.ts'
import { move, settle, type Life } from '../life.ts'
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
      serve(life, entry)
      continue
    }
    await renewIfWanted(life)
    life.rearm = false
    showDetails(life)
    showSearchable(life)
    await waitForWork(life, undefined, '')
  }
}

const serve = (life: Life, entry: Entry): void => {
  const { wish } = entry
  if (wish.kind === 'lost') return
  const verdict = judge(wish.kind, life.memory.state)
  if (verdict.kind === 'refuse')
    return settle(life, entry, { ok: false, code: 'InvalidState', message: verdict.message })
  if (verdict.kind === 'answer') return settle(life, entry, { ok: true })
  life.serving = entry
  if (wish.kind === 'retry') life.memory.losses = 0
  move(life, wish.kind === 'retry' ? 'retry' : 'wake', wish.cause)
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
