import type { IncomingMessage } from 'node:http'
import { Failure } from './errors.ts'
import type { Life } from './life.ts'
import type { RouteRules } from './router.ts'
import { ticketCheck, type TicketCheck } from './tickets.ts'

/** Lets a request in or throws: unauthorized, forbidden, not_claimed, not_open, frozen, wrong_state. */
export type Door = (rules: RouteRules, request: IncomingMessage) => Promise<void>

export const makeDoor = (life: Life): Door => {
  let check: Promise<TicketCheck> | undefined
  return async ({ scope, during }, request) => {
    if (scope !== 'anyone') {
      if (!life.claim) throw new Failure('not_claimed', 'Claim this sidekick first.')
      check ??= ticketCheck(life.claim)
      await (
        await check
      )(request.headers.authorization, scope)
    }
    // Asked after the check, which takes a moment in which a freeze may have begun.
    if (!during.includes(life.state)) throw refusal(life, scope === 'use')
  }
}

const refusal = ({ state }: Life, forUsers: boolean): Failure => {
  if (state === 'frozen' && forUsers)
    return new Failure('frozen', 'The compute is being saved; try again in a few seconds.')
  if (state === 'unclaimed') return new Failure('not_claimed', 'Claim this sidekick first.')
  if (!forUsers) return new Failure('wrong_state', `Not while the compute is ${state}.`, { state })
  return state === 'retired'
    ? new Failure('not_open', 'The compute was hibernated; wake it first.')
    : new Failure('not_open', 'The compute is not ready yet; try again in a moment.')
}
