import { sql } from 'kysely'
import type { Wall } from '../activities/ports.ts'
import type { Db } from './database.ts'
import type { WallsTable } from './schema.ts'

/** No look for this long is no knowledge: at every period an observer has had several. */
const STALE_AFTER_MS = 90_000
/** Not looked at, but met: a compute's own try, from inside, to reach what it must not. */
export const MET = 'network-enforced'

export interface WallNow extends Wall {
  readonly since: Date
}

/** What one look found: the whole of what is looked at, so what it does not name is no wall any more. */
export const recordLook = (db: Db, walls: readonly Wall[]): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const parts = walls.map(({ part }) => part)
    await tx
      .deleteFrom('walls')
      .where('part', 'not in', [...parts, MET])
      .execute()
    for (const wall of walls) await put(tx, wall, null)
  })

/** One wall, by whoever came to know of it. */
export const recordWall = (db: Db, wall: Wall, groupId: string | null = null): Promise<void> =>
  put(db, wall, groupId)

const put = async (db: Db, wall: Wall, groupId: string | null): Promise<void> => {
  const { part, holds } = wall
  const row = { part, holds, reason: wall.reason ?? null, group_id: groupId }
  await db
    .insertInto('walls')
    .values(row)
    .onConflict((on) =>
      on.column('part').doUpdateSet({
        ...row,
        checked_at: sql`now()`,
        since: sql`case when walls.holds = excluded.holds then walls.since else now() end`,
      }),
    )
    .execute()
}

/** The wall that a compute went through, while nobody has found it mended. */
export const wallMet = async (db: Db): Promise<Pick<WallsTable, 'group_id'> | undefined> =>
  db
    .selectFrom('walls')
    .select('group_id')
    .where('part', '=', MET)
    .where('holds', '=', false)
    .executeTakeFirst()

/** Every wall, and one more that does not hold where nobody has looked lately. */
export const readWalls = async (db: Db): Promise<readonly WallNow[]> => {
  const rows = await db
    .selectFrom('walls')
    .select(['part', 'holds', 'reason', 'since'])
    .select(sql<number>`extract(epoch from now() - checked_at) * 1000`.as('age_ms'))
    .orderBy('part')
    .execute()
  const walls = rows.map(({ part, holds, reason, since }) => ({
    ...{ part, holds, since },
    ...(reason === null ? {} : { reason }),
  }))
  const looks = rows.filter(({ part }) => part !== MET).map((row) => Number(row.age_ms))
  if (looks.some((ageMs) => ageMs < STALE_AFTER_MS)) return walls
  const reason = `nobody has looked at the walls for ${STALE_AFTER_MS / 1000} s: no observer runs, or it does not reach the database`
  return [...walls, { part: 'observer', holds: false, reason, since: new Date() }]
}
