import { mintSidekickTicket, type SigningKeys } from '../auth/keys.ts'
import { TICKET_LIFETIME_S } from '../sidekick/protocol.ts'

export type SidekickTickets = (who: {
  readonly computeId: string
  readonly generation: number
  readonly subject: string
}) => Promise<string>

const REUSE_MS = (TICKET_LIFETIME_S * 1000) / 2
const MAX_KEPT = 5_000

/** `use` tickets, each given out again during the first half of its life: signing is the dearest step of a request. */
export const createSidekickTickets = (keys: SigningKeys): SidekickTickets => {
  const kept = new Map<string, { readonly at: number; readonly ticket: Promise<string> }>()
  return (who) => {
    const key = `${who.computeId}:${who.generation}:${who.subject}`
    const hit = kept.get(key)
    if (hit !== undefined && performance.now() - hit.at < REUSE_MS) return hit.ticket
    const ticket = mintSidekickTicket(keys, { ...who, scope: 'use' })
    kept.delete(key)
    kept.set(key, { at: performance.now(), ticket })
    const [oldest] = kept.keys()
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest)
    return ticket
  }
}
