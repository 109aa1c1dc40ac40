import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Db, Queryable } from '../records/database.ts'
import { newId } from '../records/ids.ts'
import type { SigningKeys } from './keys.ts'

export const REFRESH_TOKEN_LIFETIME_MS = 30 * 24 * 3_600_000
/** A client whose answer was lost may repeat its request this long and gets the same successor. */
const REPEAT_WINDOW_MS = 10_000

export interface RefreshGrant {
  readonly token: string
  readonly userId: string
  readonly sessionId: string
  readonly expiresAt: Date
}

/** Starts a family: one login on one client. */
export const startSession = async (db: Queryable, userId: string): Promise<RefreshGrant> => {
  const token = `dmr_${randomBytes(32).toString('base64url')}`
  const sessionId = newId()
  const expiresAt = new Date(Date.now() + REFRESH_TOKEN_LIFETIME_MS)
  await db
    .insertInto('refresh_tokens')
    .values({
      id: newId(),
      family_id: sessionId,
      user_id: userId,
      token_sha256: sha256(token),
      expires_at: expiresAt,
    })
    .execute()
  return { token, userId, sessionId, expiresAt }
}

/**
 * Exchanges a refresh token for its successor. A token used before revokes its whole family, unless
 * it is the immediate predecessor, repeated within 10 s by the same `client` (address and agent):
 * that gets the same successor. Undefined: log in again.
 */
export const rotateRefreshToken = (
  db: Db,
  keys: SigningKeys,
  token: string,
  client: string,
): Promise<RefreshGrant | undefined> =>
  db.transaction().execute(async (tx) => {
    const row = await tx
      .selectFrom('refresh_tokens')
      .selectAll()
      .where('token_sha256', '=', sha256(token))
      .forUpdate()
      .executeTakeFirst()
    if (row === undefined || row.revoked_at !== null || +row.expires_at < Date.now())
      return undefined
    const successor = deriveSuccessor(keys, token, client)
    if (row.used_at === null) {
      const expiresAt = new Date(Date.now() + REFRESH_TOKEN_LIFETIME_MS)
      const id = newId()
      await tx
        .insertInto('refresh_tokens')
        .values({
          id,
          family_id: row.family_id,
          user_id: row.user_id,
          token_sha256: sha256(successor),
          expires_at: expiresAt,
        })
        .execute()
      await tx
        .updateTable('refresh_tokens')
        .set({ used_at: new Date(), successor_id: id })
        .where('id', '=', row.id)
        .execute()
      return { token: successor, userId: row.user_id, sessionId: row.family_id, expiresAt }
    }
    const next = await tx
      .selectFrom('refresh_tokens')
      .selectAll()
      .where('id', '=', row.successor_id)
      .executeTakeFirst()
    const repeated =
      +row.used_at > Date.now() - REPEAT_WINDOW_MS &&
      next !== undefined &&
      next.used_at === null &&
      next.token_sha256.equals(sha256(successor))
    if (!repeated) {
      await revokeSession(tx, row.family_id)
      return undefined
    }
    return {
      token: successor,
      userId: row.user_id,
      sessionId: row.family_id,
      expiresAt: next.expires_at,
    }
  })

/** Ends a login: its refresh tokens and, with them, its access tokens. */
export const revokeSession = async (db: Queryable, sessionId: string): Promise<void> => {
  await db
    .updateTable('refresh_tokens')
    .set({ revoked_at: new Date() })
    .where('family_id', '=', sessionId)
    .where('revoked_at', 'is', null)
    .execute()
}

/** The family a refresh token belongs to, whatever its state. */
export const sessionOfRefreshToken = async (
  db: Queryable,
  token: string,
): Promise<string | undefined> => {
  const row = await db
    .selectFrom('refresh_tokens')
    .select('family_id')
    .where('token_sha256', '=', sha256(token))
    .executeTakeFirst()
  return row?.family_id
}

/**
 * Successors are derived, not stored: a repeated request finds the same one, the database holds
 * hashes only, and without the platform's key a predecessor tells nothing of its successor.
 */
const deriveSuccessor = (keys: SigningKeys, token: string, client: string): string => {
  const der = keys.privateKey.export({ format: 'der', type: 'pkcs8' })
  const key = Buffer.from(hkdfSync('sha256', der, '', 'dormouse refresh tokens', 32))
  const text = createHmac('sha256', key).update(token).update('\0').update(client)
  return `dmr_${text.digest('base64url')}`
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
