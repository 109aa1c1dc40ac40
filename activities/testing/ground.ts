/** For suites: the activities over a real database, store, bubblewrap and sidekick, each their own. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { loadSigningKeys, mintSidekickTicket, type SigningKeys } from '../../auth/keys.ts'
import { createSealer, envContext } from '../../auth/seal.ts'
import type { StoreConfig } from '../../config/config.ts'
import { findCompute } from '../../records/computes.ts'
import { newId } from '../../records/ids.ts'
import { freshDatabase } from '../../records/test-database.ts'
import type { CommandEvent } from '../../sidekick/protocol.ts'
import { DEFAULT_TIMINGS, type Observation } from '../../workflows/compute/contract.ts'
import { createLocalRuntime } from '../adapters/local/runtime.ts'
import { s3Client } from '../adapters/s3/client.ts'
import { createS3Store } from '../adapters/s3/store.ts'
import { openConnection } from '../adapters/sidekick/connection.ts'
import { createSidekickControl } from '../adapters/sidekick/control.ts'
import type { ControlDeps, WorkflowDoors } from '../control-deps.ts'
import { createControlActivities, createDataActivities } from '../index.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

export type Ground = Awaited<ReturnType<typeof startGround>>

export const startGround = async () => {
  const { db, drop } = await freshDatabase()
  const stateDir = await mkdtemp(path.join(tmpdir(), 'dm-'))
  await chmod(stateDir, 0o711)
  const keys = freshKeys()
  const { store, settings } = storeSettings()
  await store.ensureBucket()
  const runtime = testRuntime(stateDir)
  const sidekick = createSidekickControl(keys)
  const sealer = createSealer(randomBytes(32).toString('base64'))
  const doors = recordingDoors()
  const schedules = recordingSchedules()
  const deps: ControlDeps = {
    db,
    runtime,
    sidekick,
    store,
    sealer,
    ticketKeys: [keys.publicJwk],
    doors,
    schedules,
    timings: DEFAULT_TIMINGS,
  }
  const groupId = newId()
  await db.insertInto('groups').values({ id: groupId, name: 'suite' }).execute()
  const signal = new AbortController().signal

  const newFilesystem = async (implicit = true): Promise<string> => {
    const id = newId()
    await db
      .insertInto('filesystems')
      .values({
        id,
        group_id: groupId,
        owner_id: 'user',
        name: implicit ? null : 'named',
        implicit,
        image_digest: 'host',
      })
      .execute()
    return id
  }

  return {
    db,
    deps,
    doors,
    schedules,
    store,
    storeSettings: settings,
    runtime,
    sidekick,
    stateDir,
    groupId,
    control: createControlActivities(deps),
    data: createDataActivities({ ...deps, cancellation: () => signal }),
    newFilesystem,
    async newCompute(
      options: { filesystemId?: string; imageId?: string; env?: Record<string, string> } = {},
    ): Promise<string> {
      const id = newId()
      await db
        .insertInto('computes')
        .values({
          id,
          group_id: groupId,
          owner_id: 'user',
          name: 'suite',
          image_id: options.imageId ?? 'host',
          filesystem_id: options.filesystemId ?? (await newFilesystem()),
          runtime: 'local',
          tier: 'tiny',
          network: 'none',
          state: 'requested',
          reason: 'created',
          actor: 'user:suite',
          idle_timeout_ms: 60_000,
          max_lifetime_ms: 0,
          env_sealed:
            options.env === undefined
              ? null
              : sealer.seal(JSON.stringify(options.env), envContext(groupId, id)),
        })
        .execute()
      return id
    },
    /** Runs a command inside the current generation; its output, or throws with it. */
    async run(computeId: string, command: string): Promise<string> {
      const row = await findCompute(db, computeId)
      if (row === undefined) throw new Error(`no compute ${computeId}`)
      return runInside(keys, db, { computeId, generation: row.generation }, command)
    },
    async end(): Promise<void> {
      for (const sandbox of await runtime.list()) await runtime.stop(sandbox, { keepTree: false })
      await sidekick.close()
      store.close()
      await dropBucket(settings)
      await drop()
      await rm(stateDir, { recursive: true, force: true })
    },
  }
}

export const freshKeys = (): SigningKeys => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return loadSigningKeys(privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'))
}

export const storeSettings = () => {
  const settings = {
    endpoint: needed('S3_ENDPOINT'),
    region: 'us-east-1',
    bucket: `suite-${newId()}`,
    accessKeyId: needed('S3_ACCESS_KEY_ID'),
    secretAccessKey: needed('S3_SECRET_ACCESS_KEY'),
  }
  return { settings, store: createS3Store(settings) }
}

/** Each bucket takes volumes of the store's disk; a suite that leaves its own starves the next ones. */
export const dropBucket = async (settings: StoreConfig): Promise<void> => {
  const { bucket: Bucket } = settings
  const client = s3Client(settings)
  const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key, UploadId } of uploads.Uploads ?? [])
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
  const objects = await client.send(new ListObjectsV2Command({ Bucket }))
  for (const { Key } of objects.Contents ?? [])
    await client.send(new DeleteObjectCommand({ Bucket, Key }))
  await client.send(new DeleteBucketCommand({ Bucket }))
  client.destroy()
}

export const testRuntime = (stateDir: string) =>
  createLocalRuntime({
    stateDir,
    bwrap: path.join(needed('DORMOUSE_BIN'), 'bwrap'),
    sidekickDir: process.env['DORMOUSE_SIDEKICK_DIR'] ?? path.join(ROOT, 'dist/sidekick'),
    sidekickNode: null,
    unsafeNoIsolation: false,
    cgroup: null,
  })

const runInside = async (
  keys: SigningKeys,
  db: ControlDeps['db'],
  target: { computeId: string; generation: number },
  command: string,
): Promise<string> => {
  const sandbox = await db
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', target.computeId)
    .where('generation', '=', target.generation)
    .executeTakeFirstOrThrow()
  if (sandbox.address === null) throw new Error('the sandbox has no address')
  const { client } = openConnection(sandbox.address, sandbox.fingerprint ?? '')
  const ticket = await mintSidekickTicket(keys, { ...target, scope: 'use', subject: 'user:suite' })
  try {
    const answer = await client.request({
      method: 'POST',
      path: '/v1/exec',
      headers: { authorization: `Bearer ${ticket}`, 'content-type': 'application/json' },
      body: JSON.stringify({ command }),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`exec: ${answer.statusCode} ${text}`)
    const events = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as CommandEvent)
    const output = events
      .flatMap((event) => ('data' in event ? [Buffer.from(event.data, 'base64')] : []))
      .join('')
    const exit = events.find((event) => event.type === 'exit')
    if (exit?.exitCode !== 0) throw new Error(`exit ${exit?.exitCode}: ${output}`)
    return output
  } finally {
    await client.destroy()
  }
}

const recordingDoors = () => {
  const open = new Set<string>()
  const adopted: string[] = []
  const observed: { computeId: string; observation: Observation }[] = []
  const commands: { computeId: string; name: string }[] = []
  const doors: WorkflowDoors = {
    async command(input, name) {
      commands.push({ computeId: input.computeId, name })
    },
    async observed(computeId, observation) {
      observed.push({ computeId, observation })
    },
    async adopt(input) {
      if (open.has(input.computeId)) return 'already_running'
      adopted.push(input.computeId)
      open.add(input.computeId)
      return 'adopted'
    },
    async *openComputes() {
      yield* open
    },
  }
  return { ...doors, open, adopted, seen: observed, commands }
}

const recordingSchedules = () => {
  const plans = new Map<string, unknown>()
  return {
    plans,
    async put(computeId: string, schedule: unknown) {
      plans.set(computeId, schedule)
    },
    async remove(computeId: string) {
      plans.delete(computeId)
    },
    async *list() {
      yield* [...plans.keys()]
    },
  }
}

const needed = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: this suite needs real servers`)
  return value
}
