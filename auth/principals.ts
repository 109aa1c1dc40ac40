import { sql } from 'kysely'
import type { Queryable } from '../records/database.ts'
import type { Role } from '../records/schema.ts'
import type { Principal } from './principal.ts'

interface UserRecord {
  readonly user_id: string
  readonly email: string
  readonly is_operator: boolean
  readonly personal_group_id: string
  readonly groups: readonly { groupId: string; role: Role }[]
}

const userColumns = sql`
  u.id as user_id, u.email, u.is_operator, personal.id as personal_group_id,
  (select coalesce(json_agg(json_build_object('groupId', m.group_id, 'role', m.role)
          order by m.group_id), '[]') from memberships m where m.user_id = u.id) as groups`

/** The user behind a login that was not logged out or revoked; undefined also when disabled. */
export const findUserPrincipal = async (
  db: Queryable,
  login: { readonly userId: string; readonly sessionId: string },
): Promise<Principal | undefined> => {
  const { rows } = await sql<UserRecord>`
    /* prepared: login */
    select ${userColumns} from users u join groups personal on personal.personal_of = u.id
    where u.id = ${login.userId} and u.disabled_at is null
      and exists (select 1 from refresh_tokens r where r.family_id = ${login.sessionId}
                  and r.user_id = u.id and r.revoked_at is null)
      and not exists (select 1 from refresh_tokens r where r.family_id = ${login.sessionId}
                      and r.revoked_at is not null)`.execute(db)
  const row = rows[0]
  return row === undefined ? undefined : { ...userPrincipal(row), sessionId: login.sessionId }
}

export interface KeyRecord {
  readonly principal: Principal
  readonly secretSha256: Buffer
  readonly lastUsedAt: Date | null
}

/** The live key of that id: not revoked, not expired, its user not disabled and still in the key's group. */
export const findKeyRecord = async (db: Queryable, id: string): Promise<KeyRecord | undefined> => {
  const { rows } = await sql<
    UserRecord & { secret_sha256: Buffer; group_id: string; last_used_at: Date | null }
  >`
    /* prepared: api-key */
    select ${userColumns}, k.secret_sha256, k.group_id, k.last_used_at
    from api_keys k join users u on u.id = k.user_id
      join groups personal on personal.personal_of = u.id
    where k.id = ${id} and u.disabled_at is null and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now())`.execute(db)
  const row = rows[0]
  if (row === undefined) return undefined
  const groups = row.groups.filter(({ groupId }) => groupId === row.group_id)
  if (groups.length === 0) return undefined
  return {
    secretSha256: row.secret_sha256,
    lastUsedAt: row.last_used_at,
    principal: {
      ...userPrincipal(row),
      kind: 'key',
      keyId: id,
      groups,
      // Operations are a person's business: a leaked key never carries them.
      operator: false,
      actor: `key:${id}`,
    },
  }
}

const userPrincipal = (row: UserRecord): Principal => ({
  kind: 'user',
  userId: row.user_id,
  email: row.email,
  groups: row.groups,
  personalGroupId: row.personal_group_id,
  operator: row.is_operator,
  actor: `user:${row.user_id}`,
})
