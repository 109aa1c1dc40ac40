import { createHash, randomBytes } from 'node:crypto'
import type { Queryable } from '../records/database.ts'
import type { Principal } from './principal.ts'

export type DoorPurpose = 'terminal' | 'files' | 'exec' | `port:${number}`

export const DOOR_TICKET_LIFETIME_MS = 30_000

/**
 * A ticket for what a browser cannot send headers with: one use, one compute, one purpose, 30 s.
 * Only its hash is stored.
 */
export const issueDoorTicket = async (
  db: Queryable,
  ticket: {
    readonly principal: Principal
    readonly computeId: string
    readonly groupId: string
    readonly purpose: DoorPurpose
    readonly ttlMs?: number
  },
): Promise<string> => {
  const token = `dmt_${randomBytes(32).toString('base64url')}`
  await db
    .insertInto('door_tickets')
    .values({
      token_sha256: sha256(token),
      group_id: ticket.groupId,
      principal: JSON.stringify(ticket.principal),
      compute_id: ticket.computeId,
      purpose: ticket.purpose,
      expires_at: new Date(Date.now() + (ticket.ttlMs ?? DOOR_TICKET_LIFETIME_MS)),
    })
    .execute()
  return token
}

/** Whoever it was issued to, once; undefined for any other compute or purpose, later, or again. */
export const redeemDoorTicket = async (
  db: Queryable,
  token: string,
  door: { readonly computeId: string; readonly purpose: DoorPurpose },
): Promise<Principal | undefined> => {
  const now = new Date()
  const row = await db
    .updateTable('door_tickets')
    .set({ used_at: now })
    .where('token_sha256', '=', sha256(token))
    .where('compute_id', '=', door.computeId)
    .where('purpose', '=', door.purpose)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('principal')
    .executeTakeFirst()
  return row === undefined ? undefined : (row.principal as unknown as Principal)
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
