/** What computes stand on is neither moved to the trash nor emptied, whoever comes first. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFilesystem, lockFilesystem } from '../../records/filesystems.ts'
import { staleTrash } from '../../records/sweeping.ts'
import { startHarness, type Harness, type Person } from '../testing/harness.ts'

let api: Harness
let ann: Person
beforeAll(async () => {
  api = await startHarness()
  ann = await api.person('ann')
})
afterAll(() => api.stop())

const newFilesystem = async (name: string): Promise<string> =>
  (await api.send('POST', '/api/filesystems', ann.token, { name })).body.id as string
const create = (filesystemId: string) =>
  api.send('POST', '/api/computes', ann.token, { filesystem_id: filesystemId })

describe('a filesystem and its trash', () => {
  it('which is going to the trash takes no new compute', async () => {
    const id = await newFilesystem('going')
    let created!: ReturnType<typeof create>
    await api.db.transaction().execute(async (tx) => {
      await lockFilesystem(tx, id)
      await tx
        .updateTable('filesystems')
        .set({ trashed_at: new Date() })
        .where('id', '=', id)
        .execute()
      created = create(id)
      // It waits for the lock, or has read already what is going to be wrong.
      await Promise.race([created, waitsForALock()])
    })
    expect((await created).body).toMatchObject({ status: 404, field: 'filesystem_id' })
  })

  it('on which a compute stands is not emptied, by a person or by time', async () => {
    const id = await newFilesystem('in-use')
    const computeId = (await create(id)).body.id as string
    const longAgo = new Date(Date.now() - 30 * 86_400_000)
    await api.db
      .updateTable('filesystems')
      .set({ trashed_at: longAgo, head_snapshot_id: 'kept' })
      .where('id', '=', id)
      .execute()
    await api.db
      .insertInto('snapshots')
      .values({
        id: 'kept',
        filesystem_id: id,
        group_id: ann.groupId,
        parent_id: null,
        epoch: 1,
        generation: 1,
        reason: 'user',
        image_digest: 'host',
        manifest: '{}',
        entries: 1,
        size_bytes: 1,
      })
      .execute()
    const refused = await api.send('DELETE', `/api/trash/${id}`, ann.token)
    expect(refused.body).toMatchObject({ status: 409, code: 'InvalidState' })
    expect(refused.body.detail).toContain(computeId)
    expect(await staleTrash(api.db, new Date())).not.toContain(id)
    expect((await findFilesystem(api.db, id))?.head_snapshot_id).toBe('kept')

    await api.db
      .updateTable('computes')
      .set({ state: 'terminated' })
      .where('id', '=', computeId)
      .execute()
    expect(await staleTrash(api.db, new Date())).toContain(id)
    expect((await api.send('DELETE', `/api/trash/${id}`, ann.token)).status).toBe(204)
    expect((await findFilesystem(api.db, id))?.head_snapshot_id).toBeNull()
  })
})

const waitsForALock = async (): Promise<void> => {
  const isWaiting = async () => {
    const { rows } = await sql`select 1 from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(api.db)
    return rows.length > 0
  }
  while (!(await isWaiting())) await sleep(20)
}
