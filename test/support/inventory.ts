/** Everything a stack keeps anywhere, by name: to be compared before and after. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { createS3Store } from '../../activities/adapters/s3/store.ts'
import { storeConfig } from '../../config/config.ts'
import { JANITOR_SCHEDULE } from '../../temporal/schedules.ts'
import type { Stack } from './stack.ts'
import { temporalClient } from './temporal-histories.ts'

export type Inventory = Readonly<Record<string, readonly string[]>>

export const takeInventory = async (stack: Stack): Promise<Inventory> => ({
  ...(await inRows(stack)),
  ...(await inStore(stack)),
  ...(await inTemporal(stack)),
  'sandboxes that run': await stack.sandboxes(),
  'files of the runtime': await onDisk(stack),
})

const inRows = async ({ db }: Stack): Promise<Inventory> => {
  const named = async (rows: Promise<readonly object[]>): Promise<readonly string[]> =>
    (await rows).map((row) => Object.values(row).join(' ')).sort()
  return {
    'living computes': await named(
      db
        .selectFrom('computes')
        .select(['id', 'state'])
        .where('state', '<>', 'terminated')
        .execute(),
    ),
    leases: await named(
      db
        .selectFrom('filesystems')
        .select(['id', 'lease_compute_id', 'lease_generation'])
        .where('lease_compute_id', 'is not', null)
        .execute(),
    ),
    'generations that have not ended': await named(
      db
        .selectFrom('sandboxes')
        .select(['compute_id', 'generation'])
        .where('ended_at', 'is', null)
        .execute(),
    ),
    snapshots: await named(db.selectFrom('snapshots').select(['filesystem_id', 'id']).execute()),
    parts: await named(db.selectFrom('parts').select(['key', 'state']).execute()),
    'references to parts': await named(
      db.selectFrom('part_references').select(['part_key', 'owner_id']).execute(),
    ),
    images: await named(
      db
        .selectFrom('images')
        .select(['id', 'state'])
        .where('state', 'not in', ['deleted', 'failed'])
        .execute(),
    ),
    'door tickets': await named(db.selectFrom('door_tickets').select('compute_id').execute()),
    'port doors': await named(db.selectFrom('port_doors').select(['compute_id', 'port']).execute()),
    'idempotency keys': await named(db.selectFrom('idempotency_keys').select('key').execute()),
  }
}

const inStore = async ({ env }: Stack): Promise<Inventory> => {
  const store = createS3Store(storeConfig(env))
  try {
    const objects: string[] = []
    for await (const { key, sizeBytes } of store.list('')) objects.push(`${key} ${sizeBytes}`)
    const uploads = (await store.listUploads('')).map(({ key, uploadId }) => `${key} ${uploadId}`)
    return { objects: objects.sort(), 'unfinished uploads': uploads.sort() }
  } finally {
    store.close()
  }
}

const inTemporal = async ({ env, db }: Stack): Promise<Inventory> => {
  const client = await temporalClient(env)
  const prefix = env['DORMOUSE_TASK_QUEUE_PREFIX'] ?? ''
  try {
    const workflows: string[] = []
    for await (const one of client.workflow.list({ query: `ExecutionStatus = 'Running'` }))
      // A sweep that happens to be under way is not kept.
      if (one.taskQueue.startsWith(prefix) && one.type !== 'janitor') workflows.push(one.workflowId)
    const ours = new Set((await db.selectFrom('computes').select('id').execute()).map((c) => c.id))
    const schedules: string[] = []
    for await (const { scheduleId } of client.schedule.list())
      if (ours.has(scheduleId.replace('power-', '')) || isJanitorOf(prefix, scheduleId))
        schedules.push(scheduleId)
    return { 'open workflows': workflows.sort(), schedules: schedules.sort() }
  } finally {
    await client.connection.close()
  }
}

const isJanitorOf = (prefix: string, scheduleId: string): boolean =>
  scheduleId.startsWith(`${JANITOR_SCHEDULE}-${prefix}`)

/** Down to the generation; what users keep in a tree is compared by its hash elsewhere. */
const onDisk = async ({ stateDir }: Stack): Promise<readonly string[]> => {
  const found: string[] = []
  for (const folder of ['computes', 'trash', 'locks']) {
    for (const name of await readdir(path.join(stateDir, folder)).catch(() => [])) {
      found.push(path.join(folder, name))
      if (folder !== 'computes') continue
      // A sweep may take it away between the two looks.
      for (const inner of await readdir(path.join(stateDir, folder, name)).catch(() => []))
        found.push(path.join(folder, name, inner))
    }
  }
  return found.sort()
}
